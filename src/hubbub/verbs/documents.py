"""Documents: asked for, answered, compiled. Something waits for each, so none goes through the outbox (law 4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog

from hubbub.clock import Clock
from hubbub.conference.journal import Journal
from hubbub.errors import DocumentError, RequestFailed
from hubbub.events import CallRecord, Exchange, Level, Problem
from hubbub.ids import Id, new_id
from hubbub.settings import Account
from hubbub.storage.store import Append
from hubbub.verbs.dialect import Dialect, DocumentRequest
from hubbub.verbs.model import Stage
from hubbub.verbs.program import Program
from hubbub.webhooks.exchange import of_request, readable
from hubbub.webhooks.redaction import redacted
from hubbub.webhooks.requester import HttpReply, HttpRequest, Requester

log = structlog.get_logger()

MOST_REMARKS = 50
"""Remarks on one document that are kept; how many more there are is told."""


@dataclass(frozen=True)
class Documents:
    """Fetches documents and keeps what was asked and answered."""

    requester: Requester
    journal: Journal
    clock: Clock

    async def fetch(self, dialect: Dialect, account: Account, request: DocumentRequest, stage: Stage) -> Program:
        """The program behind a link, or behind its fallback.

        Raises RequestFailed or DocumentError when both are no use; each failure is reported first.
        """
        try:
            return await self._fetch_once(dialect, account, request, stage)
        except (RequestFailed, DocumentError) as error:
            fallback = request.link.fallback
            if fallback is None or (isinstance(error, DocumentError) and not dialect.mistakes_fall_back):
                raise
            log.info("document_fallback", url=fallback.url, reason=str(error))
            again = replace(request, link=fallback, fields={**request.fields, **_failure_fields(dialect, request, error)})
            return await self._fetch_once(dialect, account, again, stage)

    async def discard(self, dialect: Dialect, account: Account, request: DocumentRequest) -> None:
        """Make a request whose answer does not matter."""
        try:
            http = replace(dialect.document_request(account, request), cache=None)  # it is made because it is to be made
            await self._send(http, account, request.call, None, dialect)
        except RequestFailed:
            return

    async def _fetch_once(self, dialect: Dialect, account: Account, request: DocumentRequest, stage: Stage) -> Program:
        room = request.room.id if request.room else None
        request = replace(request, at=self.clock.now())
        try:
            http = dialect.document_request(account, request)
        except RequestFailed as error:  # what is no URL cannot even be signed
            wanted = HttpRequest(method=request.link.method, url=request.link.url)
            self._report(account, dialect.request_failure_code(error.kind), str(error), wanted, request.call, room)
            raise
        reply = await self._send(http, account, request.call, room, dialect)
        failure = dialect.reply_failure(reply)
        if failure is not None:
            code, text = failure
            self._report(account, code, text, http, request.call, room, reply=reply)
            raise RequestFailed("status", text, status=reply.status, url=http.url)
        try:
            program = dialect.compile(reply.body, reply.content_type, reply.url, stage)
        except DocumentError as error:
            self._report(account, error.code, str(error), http, request.call, room, line=error.line, reply=reply)
            raise
        self.remarks(program, account, request.call, room, of_request(http, reply), http.method)
        return program

    def remarks(
        self,
        program: Program,
        account: Account,
        call: CallRecord | None,
        room: Id | None = None,
        exchange: Exchange | None = None,
        method: str = "",
    ) -> None:
        """Keep a program's warnings for its account to read; the request that brought it stands with the first."""
        remarks = sorted(program.remarks, key=lambda remark: remark.level != "error")[:MOST_REMARKS]
        more = len(program.remarks) - len(remarks)
        for number, remark in enumerate(remarks, 1):
            level: Level = "error" if remark.level == "error" else "warning"
            text = remark.message + (f" (line {remark.at.line})" if remark.at.line else "")
            if more and number == MOST_REMARKS:
                text += f"; {more} more are not told"
            about = (call.id if call else None, room, program.base, method, remark.at.line, exchange if number == 1 else None)
            problem = Problem(account.name, remark.code, level, text, *about)
            self.journal.report(problem, self.clock.now())

    async def _send(self, http: HttpRequest, account: Account, call: CallRecord | None, room: Id | None, dialect: Dialect) -> HttpReply:
        await self.journal.caught_up()
        try:
            reply = await self.requester.send(http)
        except RequestFailed as error:
            code = dialect.request_failure_code(error.kind)
            self._report(account, code, str(error), http, call, room)
            self._keep(account, call, http, None, str(error))
            raise
        self._keep(account, call, http, reply, "")
        return reply

    def _keep(self, account: Account, call: CallRecord | None, http: HttpRequest, reply: HttpReply | None, error: str) -> None:
        if call is None or (reply is not None and reply.attempts == 0):
            return  # nothing was asked
        data = {
            "method": http.method,
            "url": redacted(http.url),
            "body": readable(http.body if isinstance(http.body, bytes) else None),
            "status": reply.status if reply else None,
            "seconds": reply.seconds if reply else None,
            "content_type": reply.content_type if reply else None,
            "response": readable(reply.body) if reply else None,
            "error": redacted(error),
        }
        row = {"id": new_id(), "account": account.name, "call": call.id, "created": self.clock.now(), "data": data}
        self.journal.write([Append("requests", row)])

    def _report(
        self,
        account: Account,
        code: str,
        text: str,
        http: HttpRequest,
        call: CallRecord | None,
        room: Id | None,
        line: int | None = None,
        reply: HttpReply | None = None,
    ) -> None:
        about = (call.id if call else None, room, http.url, http.method, line, of_request(http, reply))
        problem = Problem(account.name, code, "error", text, *about)
        self.journal.report(problem, self.clock.now())


def _failure_fields(dialect: Dialect, request: DocumentRequest, error: RequestFailed | DocumentError) -> dict[str, str]:
    code = error.code if isinstance(error, DocumentError) else dialect.request_failure_code(error.kind)
    return {"failed_code": code, "failed_url": request.link.url}
