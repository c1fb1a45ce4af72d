"""The way to a server: the proxy and the certificates that the environment names, and why a connection failed."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import anyio
import httpx2

from harness.errors import FatalError, InputError, RetryableError, RunnerError
from runners.addresses import Address

_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_TRUST = "if it is right, name the file of its certificate, or of its authority's, with -M ca=FILE or $SSL_CERT_FILE"
_NAME = "write the name that stands in the certificate into --base-url"
# OpenSSL's codes (x509_vfy.h) for what users can see to.
_REMEDIES: Mapping[int, str] = {
    9: "it is not valid yet: compare this machine's clock",
    10: "it has expired: have it renewed, or compare this machine's clock",
    18: _TRUST,
    19: _TRUST,
    20: _TRUST,
    21: _TRUST,
    62: _NAME,
    64: _NAME,
}
# Other reasons of OpenSSL, such as a peer that hangs up, may pass.
_LASTING = re.compile(r"HANDSHAKE_FAILURE|PROTOCOL|CERTIFICATE|UNKNOWN_CA|CIPHER")

_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
# What a request that gets no answer raises; httpx2 leaves some failures of TLS as they are.
FAILURES = (httpx2.RequestError, ssl.SSLError, anyio.EndOfStream)
_CLOSED = re.compile(r"closed|disconnected", re.IGNORECASE)
_UNREACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)


def proxy_for(address: Address) -> httpx2.Proxy | None:
    """The proxy through which the environment has an address reached; never one for this machine's own servers.

    Raises InputError for a setting that cannot be used.
    """
    url = httpx2.URL(address.url)
    proxies = urllib.request.getproxies()
    setting = proxies.get(url.scheme) or proxies.get("all")
    if not setting or address.is_local or _is_exempt(url, proxies.get("no", "")):
        return None
    where = _variable(url.scheme, setting)
    exempt = f"or exempt the server with NO_PROXY={url.host}"
    setting = setting if "://" in setting else f"http://{setting}"
    scheme = setting.partition("://")[0].lower()
    if scheme in ("socks5", "socks5h") and find_spec("socksio") is None:
        raise InputError(
            f"{where} names a {scheme} proxy, which needs the package socksio: pip install 'httpx2[socks]', unset it, "
            f"{exempt}"
        )
    if scheme not in ("http", "https", "socks5", "socks5h"):
        raise InputError(
            f"{where} names a proxy as {scheme}://, which is not supported: http://, https:// and socks5:// (with "
            f"pip install 'httpx2[socks]') are; change or unset it, {exempt}"
        )
    try:
        proxy = httpx2.Proxy(setting)
    except (ValueError, httpx2.InvalidURL):
        proxy = None
    if proxy is None or not proxy.url.host:
        raise InputError(f"{where} is no address of a proxy, such as http://proxy:3128: change or unset it, {exempt}")
    return proxy


def _is_exempt(url: httpx2.URL, exempt: str) -> bool:
    """Whether NO_PROXY names the host, also by a network such as 10.0.0.0/8."""
    if urllib.request.proxy_bypass(f"{url.host}:{url.port}" if url.port else url.host):
        return True
    for entry in exempt.split(","):
        try:
            if ipaddress.ip_address(url.host) in ipaddress.ip_network(entry.strip().strip("[]"), strict=False):
                return True
        except ValueError:
            continue
    return False


def _variable(scheme: str, setting: str) -> str:
    names = [name for kind in (scheme, "all") for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY")]
    return next((f"${name}" for name in names if os.environ.get(name) == setting), "the system's proxy setting")


def certificates(address: Address, proxy: httpx2.Proxy | None, ca: str | None) -> ssl.SSLContext:
    """What a server must prove itself by: ``ca`` (a file or folder), else what the environment or the system names.

    Raises InputError for a file or folder that is none of certificates. An address without encryption needs none.
    """
    if address.url.startswith("http:") and (proxy is None or proxy.url.scheme != "https"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    named = [(f"-M ca={ca}", ca)] if ca is not None else [(f"${name}", os.environ.get(name)) for name in _CA_VARIABLES]
    where, place = next(((where, place) for where, place in named if place), ("", None))
    if not place:
        return httpx2.create_ssl_context(trust_env=False)
    folders = [folder for folder in place.split(os.pathsep) if Path(folder).is_dir()]
    if not folders and not Path(place).is_file():
        raise InputError(f"{where} names {place}, which is not there: name a file of certificates in PEM format")
    try:
        context = ssl.create_default_context(
            cafile=None if folders else place, capath=os.pathsep.join(folders) if folders else None
        )
    except (OSError, ssl.SSLError):
        raise InputError(f"{where} names {place}, which holds no certificates in PEM format") from None
    # A server's own certificate may be trusted by itself.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def connection_error(
    error: Exception, redact: Callable[[str], str], url: str, proxy: httpx2.Proxy | None
) -> RunnerError:
    """What a failed connection to ``url`` means; ``error`` is the client's, with its causes."""
    causes = list(_causes(error))
    through = f" through the proxy {proxy.url.host}" if proxy else ""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            remedy = _REMEDIES.get(cause.verify_code, _TRUST)
            return FatalError(f"the certificate of {url} is not accepted ({cause.verify_message}): {remedy}")
        if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
            return FatalError(f"{url} answers without encryption: write http:// in --base-url")
        if isinstance(cause, ssl.SSLError) and _LASTING.search(cause.reason or ""):
            return FatalError(f"no encrypted connection to {url}{through} ({cause.reason})")
    # The innermost may be a RuntimeError by which a library found out what loop it runs in.
    telling = [text for cause in causes if not isinstance(cause, RuntimeError) and (text := str(cause))]
    reason = telling[-1] if telling else type(error).__name__
    if any(isinstance(cause, httpx2.DecodingError) for cause in causes):
        reason = "its answer cannot be decompressed"
    elif isinstance(error, httpx2.RemoteProtocolError) and not _CLOSED.search(reason):
        # The words of the library name its own states and types.
        reason = "its answer is not valid HTTP"
    is_unreached = any(isinstance(cause, _UNREACHED) for cause in causes)
    return RetryableError(
        f"connection to {url}{through} failed: {redact(reason)}", outage="connection" if is_unreached else ""
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
