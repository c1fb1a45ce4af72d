"""What vLLM's engine takes for a request, and what it gives for an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.errors import RetryableError
from harness.types import Completion, Constraint, FinishReason, Request, TokenLogprob, Usage
from runners.chat_answer import split_thinking


def sampling_params(request: Request) -> Any:
    """vLLM's ``SamplingParams`` for a request."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    sampling = request.sampling
    return SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed + request.repeat,
        stop=list(sampling.stop),
        logprobs=request.top_logprobs or None,
        structured_outputs=_structured_outputs(request.constraint),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


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


def read_output(output: Any, request: Request, *, constrained: bool) -> Completion:
    """Read a finished ``RequestOutput``; RetryableError for one that was cut off."""
    if output.outputs[0].finish_reason in (None, "abort", "error"):
        raise RetryableError("vLLM gave up on its answer")
    answer = output.outputs[0]
    finish_reason: FinishReason = "length" if answer.finish_reason == "length" else "stop"
    text, reasoning = split_thinking(answer.text, constrained=constrained)
    logprobs = zip(answer.token_ids, answer.logprobs or (), strict=False)
    return Completion(
        text=text,
        finish_reason=finish_reason,
        usage=Usage(len(output.prompt_token_ids), len(answer.token_ids), output.num_cached_tokens),
        reasoning=reasoning,
        logprobs=tuple(_token_logprob(token, choices, request.top_logprobs) for token, choices in logprobs),
    )


def _token_logprob(token: int, choices: Mapping[int, Any], count: int) -> TokenLogprob:
    # The chosen token is among the choices even where it is not among the most probable ones.
    ranked = sorted(choices.values(), key=lambda choice: choice.rank)[:count]
    chosen = choices[token]
    return TokenLogprob(
        chosen.decoded_token,
        chosen.logprob,
        tuple((choice.decoded_token, choice.logprob) for choice in ranked),
    )
