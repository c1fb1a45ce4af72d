"""What vLLM's engine takes for a request, and what it gives for an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import FatalError, RetryableError
from harness.types import Adapter, Completion, Constraint, FinishReason, Request, TokenLogprob, Usage
from runners.chat_answer import split_thinking
from runners.label_tokens import NO_LABELS, LabelTokens
from runners.repetition import detection


def sampling_params(request: Request, copies: int = 0, labels: LabelTokens = NO_LABELS) -> Any:
    """vLLM's ``SamplingParams`` for a request, whose answer ends at so many copies in a row (0: at none).

    The log-probabilities are those of ``labels``, where there are any and vLLM is new enough, in place of the most
    probable tokens'. Raises FatalError for a limit of copies where vLLM is too old for one.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    sampling, top = request.sampling, request.top_logprobs or None
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=request.seed,
        stop=list(sampling.stop),
        structured_outputs=_structured_outputs(request.constraint),
        output_kind=RequestOutputKind.FINAL_ONLY,
        **({"repetition_detection": _repetition_detection(copies)} if copies else {}),
        **({"logprob_token_ids": list(labels.ids)} if reads_labels(labels) else {"logprobs": top}),
    )


def reads_labels(labels: LabelTokens) -> bool:
    """Whether this vLLM (0.31 and later) is asked for the labels' tokens alone: only if no other spells a label."""
    from vllm import SamplingParams

    return labels.whole and hasattr(SamplingParams, "logprob_token_ids")


def lora_request(adapter: str, adapters: Sequence[Adapter]) -> Any:
    """vLLM's ``LoRARequest`` for the adapter of that checksum, numbered from 1; None if it is empty."""
    if not adapter:
        return None
    from vllm.lora.request import LoRARequest

    number, found = next((at, one) for at, one in enumerate(adapters, start=1) if one.sha256 == adapter)
    return LoRARequest(found.sha256, number, str(found.folder.resolve()))


def _repetition_detection(copies: int) -> Any:
    try:
        from vllm.sampling_params import RepetitionDetectionParams
    except ImportError:
        raise FatalError("this vLLM is too old for -M repetition: leave it out, or install a newer one") from None
    return RepetitionDetectionParams(**detection(copies))


def _structured_outputs(constraint: Constraint | None) -> Any:
    from vllm.sampling_params import StructuredOutputsParams

    if constraint is None:
        return None
    match constraint.form:
        case "regex":
            return StructuredOutputsParams(regex=constraint.text)
        case "json_schema":
            return StructuredOutputsParams(json=json.loads(constraint.text))
        case _:
            return StructuredOutputsParams(grammar=constraint.text)


def read_output(output: Any, request: Request, *, constrained: bool, labels: LabelTokens = NO_LABELS) -> Completion:
    """Read a finished ``RequestOutput``, asked for ``labels``; RetryableError for one that was cut off."""
    if output.outputs[0].finish_reason in (None, "abort", "error"):
        raise RetryableError("vLLM gave up on its answer")
    answer = output.outputs[0]
    ending = answer.finish_reason
    finish_reason: FinishReason = ending if ending in ("length", "repetition") else "stop"
    text, reasoning = split_thinking(answer.text, constrained=constrained)
    count, unlisted = request.top_logprobs, None
    if labels.whole and reads_labels(labels):
        count, unlisted = len(labels.ids) + 1, 0.0 if labels.texts else None
    logprobs = zip(answer.token_ids, answer.logprobs or (), strict=False)
    return Completion(
        text=text,
        finish_reason=finish_reason,
        usage=Usage(len(output.prompt_token_ids), len(answer.token_ids), output.num_cached_tokens),
        reasoning=reasoning,
        logprobs=tuple(_token_logprob(token, choices, count, unlisted) for token, choices in logprobs),
    )


def _token_logprob(token: int, choices: Mapping[int, Any], count: int, unlisted: float | None) -> TokenLogprob:
    # The chosen token is among the choices even where it is not among the most probable ones.
    ranked = sorted(choices.values(), key=lambda choice: -choice.logprob)[:count]
    chosen = choices[token]
    return TokenLogprob(
        chosen.decoded_token,
        chosen.logprob,
        tuple((choice.decoded_token, choice.logprob) for choice in ranked),
        unlisted,
    )
