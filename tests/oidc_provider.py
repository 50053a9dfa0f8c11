"""An OpenID provider on loopback, as a company's own would be: people log in on its page, apps get signed ID tokens.

Authorization code flow with PKCE (RFC 7636, S256), discovery, RS256 signatures, JWKS, userinfo, log-out. Whatever an
app must refuse can be asked for: `provider.forge("signature")`, and the next ID token is signed by a stranger's key.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import uvicorn
from browser import free_port
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT = "smviz"
CLIENT_SECRET = "known-to-smviz-and-the-provider"
LIFETIME = 3600  # seconds that an ID token is good for

Forgery = Literal["", "signature", "unsigned", "expired", "audience", "issuer", "nonce"]


@dataclass(frozen=True)
class Account:
    """Somebody the provider knows."""

    address: str
    name: str
    verified: bool = True


OWNER = Account("olga@example.org", "Olga Owner")
USER = Account("uma@example.org", "Uma User")
COLLEAGUE = Account("ulf@example.org", "Ulf User")
VIEWER = Account("vera@example.org", "Vera Viewer")
STRANGER = Account("sam@elsewhere.example", "Sam Stranger")
UNVERIFIED = Account("uwe@example.org", "Uwe Unverified", verified=False)
HOSTILE = Account("<img/src=x/onerror=alert(1)>@example.org", "[click](javascript:alert(1)) **" + "long" * 50)
ACCOUNTS = {each.address: each for each in (OWNER, USER, COLLEAGUE, VIEWER, STRANGER, UNVERIFIED, HOSTILE)}


@dataclass
class Provider:
    """The provider's state. `logins` counts the ID tokens that were given out."""

    url: str
    key: RSAKey = field(default_factory=lambda: _key("the provider's"))
    stranger: RSAKey = field(default_factory=lambda: _key("the provider's"))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, Account] = field(default_factory=dict)
    forgery: Forgery = ""
    logins: int = 0

    def forge(self, forgery: Forgery) -> None:
        """From now on ID tokens are wrong in this way; "" for good ones."""
        self.forgery = forgery

    def secrets(self, app: str, cookie_secret: str) -> str:
        """The [auth] section that an app at this URL needs."""
        return "\n".join(
            (
                "[auth]",
                f'redirect_uri = "{app}/oauth2callback"',
                f'cookie_secret = "{cookie_secret}"',
                f'client_id = "{CLIENT}"',
                f'client_secret = "{CLIENT_SECRET}"',
                f'server_metadata_url = "{self.url}/.well-known/openid-configuration"',
                "",
            )
        )

    def id_token(self, account: Account, nonce: str) -> str:
        """A signed ID token (OpenID Connect Core 1.0, section 2), forged where that is asked for."""
        now = int(time.time())
        issued = now - 10 * LIFETIME if self.forgery == "expired" else now
        claims = {
            "iss": "https://elsewhere.example" if self.forgery == "issuer" else self.url,
            "aud": "another app" if self.forgery == "audience" else CLIENT,
            "sub": hashlib.sha256(account.address.encode()).hexdigest()[:16],
            "iat": issued,
            "exp": issued + LIFETIME,
            "nonce": "another login's" if self.forgery == "nonce" else nonce,
            **profile(account),
        }
        if self.forgery == "unsigned":
            head, body = (_base64(part) for part in (b'{"alg":"none"}', json.dumps(claims).encode()))
            return f"{head}.{body}."
        key = self.stranger if self.forgery == "signature" else self.key
        return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key, algorithms=["RS256"])


def profile(account: Account) -> dict[str, Any]:
    """The claims of the scopes `email` and `profile`."""
    return {"email": account.address, "email_verified": account.verified, "name": account.name}


@contextmanager
def running() -> Iterator[Provider]:
    """A provider that listens on a free port of the loopback interface, in a thread of this process."""
    port = free_port()
    provider = Provider(f"http://127.0.0.1:{port}")
    config = uvicorn.Config(_application(provider), host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the provider does not start"
            time.sleep(0.01)
        yield provider
    finally:
        server.should_exit = True
        thread.join(10)


def _application(provider: Provider) -> Starlette:
    def discovery(_: Request) -> Response:
        return JSONResponse(
            {
                "issuer": provider.url,
                "authorization_endpoint": f"{provider.url}/authorize",
                "token_endpoint": f"{provider.url}/token",
                "jwks_uri": f"{provider.url}/jwks",
                "userinfo_endpoint": f"{provider.url}/userinfo",
                "end_session_endpoint": f"{provider.url}/logout",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "scopes_supported": ["openid", "email", "profile"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    def jwks(_: Request) -> Response:
        return JSONResponse({"keys": [provider.key.as_dict(private=False)]})

    async def authorize(request: Request) -> Response:
        asked = dict(request.query_params)
        if wrong := _wrong(asked):
            return HTMLResponse(f"<h1>This request is not understood</h1><p>{html.escape(wrong)}</p>", 400)
        if request.method == "GET":
            return HTMLResponse(_login_form())
        account = ACCOUNTS.get(str((await request.form()).get("address")))
        if account is None:
            return _back(asked, error="access_denied", error_description="nobody of that address")
        code = secrets.token_urlsafe()
        provider.codes[code] = {**asked, "address": account.address}
        return _back(asked, code=code)

    async def token(request: Request) -> Response:
        form = await request.form()
        asked = provider.codes.pop(str(form.get("code")), None)
        if _client(request, form) != (CLIENT, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        verifier = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != asked["redirect_uri"]
            or _base64(verifier) != asked["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        account = ACCOUNTS[asked["address"]]
        access = secrets.token_urlsafe()
        provider.tokens[access] = account
        provider.logins += 1
        issued = {"access_token": access, "token_type": "Bearer", "expires_in": LIFETIME}
        return JSONResponse({**issued, "id_token": provider.id_token(account, asked["nonce"])})

    def userinfo(request: Request) -> Response:
        account = provider.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if account is None:
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse({"sub": account.address, **profile(account)})

    def logout(request: Request) -> Response:
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], 302)

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", discovery),
            Route("/jwks", jwks),
            Route("/authorize", authorize, methods=["GET", "POST"]),
            Route("/token", token, methods=["POST"]),
            Route("/userinfo", userinfo),
            Route("/logout", logout),
        ]
    )


def _wrong(asked: dict[str, str]) -> str:
    """What an authorization request lacks that OpenID Connect and PKCE ask for; "" when it is good."""
    must = {
        "client_id": asked.get("client_id") == CLIENT,
        "response_type": asked.get("response_type") == "code",
        "redirect_uri": asked.get("redirect_uri", "").endswith("/oauth2callback"),
        "scope": {"openid", "email"} <= set(asked.get("scope", "").split()),
        "state": bool(asked.get("state")),
        "nonce": bool(asked.get("nonce")),
        "code_challenge": asked.get("code_challenge_method") == "S256" and bool(asked.get("code_challenge")),
    }
    return ", ".join(name for name, good in must.items() if not good)


def _back(asked: dict[str, str], **answer: str) -> Response:
    return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({**answer, 'state': asked['state']})}", 303)


def _client(request: Request, form: Any) -> tuple[str, str]:
    """The app's name and secret, from the Authorization header (RFC 6749, 2.3.1) or the form."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        name, _, secret = base64.b64decode(given).decode().partition(":")
        return name, secret
    return str(form.get("client_id")), str(form.get("client_secret"))


def _login_form() -> str:
    return (
        '<!doctype html><title>Example Inc.</title><link rel=icon href="data:,">'
        "<h1>Example Inc.</h1><form method=post>"
        "<label>Address <input name=address autofocus></label> <button>Continue</button></form>"
    )


def _key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"}, private=True)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
