"""``civiltime keys``, ``reopen``, ``exception``, ``waiver`` and ``approve``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from civiltime.cli.output import HERE, JsonOption, WorkspaceOption, say, say_json, tell

if TYPE_CHECKING:
    from civiltime.programme.approvals import Finding
    from civiltime.programme.requests import Kind

keys = typer.Typer(help="The keys of approvers.", no_args_is_help=True)
reopen = typer.Typer(help="Reopen what is frozen.", no_args_is_help=True)
exception = typer.Typer(help="Let seeds exceed a cap.", no_args_is_help=True)
waiver = typer.Typer(help="Accept a missed performance budget.", no_args_is_help=True)

RequesterOption = Annotated[str, typer.Option(help="Who asks.", metavar="WHO")]
ReasonOption = Annotated[str, typer.Option(help="Why.", metavar="TEXT")]
ExpiresOption = Annotated[
    str | None, typer.Option(help="The last day, such as 2027-01-31.", show_default="30 days")
]
KeyOption = Annotated[Path, typer.Option(help="The approver's private key.")]
RequestArgument = Annotated[Path, typer.Argument(metavar="REQUEST", help="The request's file.")]


class Gate(StrEnum):
    """The caps that an exception may raise."""

    fallback_rate = "fallback_rate"
    override_rate = "override_rate"


class Measure(StrEnum):
    """What a performance budget bounds."""

    wall_ms = "wall_ms"
    cpu_ms = "cpu_ms"
    peak_rss_bytes = "peak_rss_bytes"


class MayApprove(StrEnum):
    """What an approver may be allowed to approve."""

    reopen = "reopen"
    exception = "exception"
    waiver = "waiver"
    authority = "authority"


@keys.command("generate")
def generate(
    out: Annotated[Path, typer.Option(help="A folder outside of every workspace.")],
    name: Annotated[str, typer.Option(help="Whose key it is.", metavar="WHO")],
    may: Annotated[
        list[MayApprove] | None, typer.Option(help="What they may approve.", show_default="all")
    ] = None,
    workspace: WorkspaceOption = HERE,  # noqa: ARG001  # every command takes it
    as_json: JsonOption = False,
) -> None:
    """Make an Ed25519 key: the private half in a file, the public half as a policy entry."""
    from civiltime.programme.keys import generate_key

    made = generate_key(out, name)
    entry = made.entry([m.value for m in may or MayApprove])
    if as_json:
        public = {"who": made.who, "keyid": made.keyid, "public_key_pem": made.public_key_pem}
        say_json({**public, "path": str(made.path), "entry": entry})
        return
    tell(f"the private key is {made.path}: keep it to yourself; paste this into approvers.yaml\n")
    say(entry.rstrip("\n"))


@reopen.command("request")
def request_reopen(
    requester: RequesterOption,
    reason: ReasonOption,
    evidence: Annotated[
        list[Path], typer.Option(help="A file that contradicts the freeze; repeat for more.")
    ],
    expect: Annotated[
        list[str], typer.Option(help="What should move: METRIC=FROM..TO.", metavar="MOVEMENT")
    ],
    state: Annotated[
        list[str] | None, typer.Option(help="A state that may change, S0 to S5.")
    ] = None,
    knob: Annotated[
        list[str] | None,
        typer.Option(help="A policy that may change, such as tz_nudge or tz_lookup_policy.FIELD."),
    ] = None,
    authority: Annotated[
        list[str] | None,
        typer.Option(help="An authority to pin anew: NAME=REPORT or NAME=REPORT@RUN_ID."),
    ] = None,
    expires: ExpiresOption = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Ask to open a frozen lane, or to pin an authority anew."""
    from civiltime.programme.decisions import reopen_fields
    from civiltime.programme.repin import authority_of
    from civiltime.workspace.config import find_workspace

    found = find_workspace(workspace)
    pins = []
    for text in authority or ():
        name, separator, rest = text.partition("=")
        report, _, run_id = rest.partition("@")
        if not separator:
            raise typer.BadParameter("--authority takes NAME=REPORT, such as 1B=reports/lock.json")
        pins.append(authority_of(found, name, Path(report), run_id or None))
    own = reopen_fields(
        found, states=state or (), knobs=knob or (), movements=expect, authorities=pins
    )
    _write(workspace, as_json, "reopen", own, requester, reason, evidence, expires)


@exception.command("request")
def request_exception(
    requester: RequesterOption,
    reason: ReasonOption,
    gate: Annotated[Gate, typer.Option(help="The cap.")],
    ceiling: Annotated[float, typer.Option(help="The most that the seeds may reach, of 1.")],
    seed: Annotated[list[int], typer.Option(help="A seed; repeat for more.", min=0, max=2**64 - 1)],
    expires: Annotated[str, typer.Option(help="The last day, such as 2027-01-31.")],
    evidence: Annotated[list[Path] | None, typer.Option(help="A file that supports it.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Ask to let seeds exceed one cap, up to a ceiling, until a day."""
    own = {"gate": gate.value, "ceiling": ceiling, "seeds": [str(s) for s in seed]}
    _write(workspace, as_json, "exception", own, requester, reason, evidence or [], expires)


@waiver.command("request")
def request_waiver(
    requester: RequesterOption,
    reason: ReasonOption,
    state: Annotated[str, typer.Option(help="Whose budget: S0 to S5, or total.")],
    measure: Annotated[Measure, typer.Option(help="What is over budget.")],
    ceiling: Annotated[float, typer.Option(help="The most that is accepted.")],
    expires: Annotated[str, typer.Option(help="The last day, such as 2027-01-31.")],
    evidence: Annotated[list[Path] | None, typer.Option(help="A file that supports it.")] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Ask to accept a performance budget that is missed, up to a ceiling, until a day."""
    own = {"state": state, "measure": measure.value, "ceiling": ceiling}
    _write(workspace, as_json, "waiver", own, requester, reason, evidence or [], expires)


def _write(
    folder: Path,
    as_json: bool,
    kind: Kind,
    own: dict[str, Any],
    requester: str,
    reason: str,
    evidence: list[Path],
    expires: str | None,
) -> None:
    from civiltime.programme.decisions import write_request
    from civiltime.workspace.config import find_workspace

    found = find_workspace(folder)
    request, path = write_request(
        found, kind, own, requester=requester, reason=reason, evidence=evidence, expires=expires
    )
    if as_json:
        say_json({"id": request.id, "path": str(path), "request": request.document})
        return
    say(f"{kind} request {request.id}, until {request.expires_utc}: {path}")
    tell(f"somebody else approves it with: civiltime approve {path} --key FILE\n")


def approve(
    request: RequestArgument,
    key: KeyOption,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Approve a request: sign it with the key of a listed approver."""
    _approve(request, key, workspace, as_json, None)


@reopen.command("approve")
def approve_reopen(
    request: RequestArgument,
    key: KeyOption,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Approve a reopen request."""
    _approve(request, key, workspace, as_json, "reopen")


@exception.command("approve")
def approve_exception(
    request: RequestArgument,
    key: KeyOption,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Approve an exception request."""
    _approve(request, key, workspace, as_json, "exception")


@waiver.command("approve")
def approve_waiver(
    request: RequestArgument,
    key: KeyOption,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Approve a waiver request."""
    _approve(request, key, workspace, as_json, "waiver")


def _approve(path: Path, key: Path, folder: Path, as_json: bool, kind: Kind | None) -> None:
    from civiltime.programme.decisions import approve as sign
    from civiltime.workspace.config import find_workspace

    approval, target = sign(find_workspace(folder), path, key, kind=kind)
    request = approval.request
    if as_json:
        who, keyid = approval.approver.who, approval.approver.keyid
        about = {"id": request.id, "kind": request.kind, "expires_utc": request.expires_utc}
        say_json({**about, "approver": who, "keyid": keyid, "path": str(target)})
        return
    say(f"{approval.approver.who} approved {request.kind} request {request.id}: {target}")


def verify_approval(path: Path, folder: Path, as_json: bool) -> None:
    """What ``civiltime verify`` says of an approval; exit status 1 where it isn't in force."""
    from civiltime.programme.approvals import examine, load_approval
    from civiltime.workspace.config import find_workspace

    findings = examine(load_approval(find_workspace(folder), path))
    in_force = all(f.result == "pass" for f in findings)
    if as_json:
        say_json(_findings(path, findings, in_force))
    else:
        _show(path, findings, in_force)
    if not in_force:
        raise typer.Exit(1)


def _findings(path: Path, findings: list[Finding], in_force: bool) -> dict[str, Any]:
    return {
        "path": str(path),
        "status": "in_force" if in_force else "refused",
        "checks": [{"check": f.check, "result": f.result} for f in findings],
        "errors": [f.refusal.as_dict() for f in findings if f.refusal and not f.unknown],
    }


def _show(path: Path, findings: list[Finding], in_force: bool) -> None:
    from civiltime.cli.output import show_error, table

    for finding in findings:
        if finding.refusal and not finding.unknown:
            show_error(finding.refusal, as_json=False)
    say(table(("check", "result"), [(f.check, f.result) for f in findings]))
    say(f"{path.name}: {'in force' if in_force else 'not in force'}")
