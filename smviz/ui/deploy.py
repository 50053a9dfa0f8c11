"""The Deploy view, and what can be done to an endpoint that exists: follow, update and delete it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from smviz.deploying import IN_PROGRESS, deploy, move, next_name, removal, remove, update, whole
from smviz.deployment import (
    Instances,
    Plan,
    PlannedVariant,
    Serverless,
    check,
    cli_commands,
    commands,
    steps,
    update_steps,
    what_stays,
)
from smviz.errors import SmvizError
from smviz.policies import Resources
from smviz.records import Endpoint
from smviz.sagemaker import Model
from smviz.ui.choice import Chosen
from smviz.ui.frame import plain, show_error, shown_errors
from smviz.ui.permissions import permissions_view, policies
from smviz.ui.planning import (
    artefact_input,
    aws_cli,
    aws_region,
    costs,
    image_input,
    machines_input,
    problem_list,
    role_input,
    step_list,
)
from smviz.ui.progress import (
    begin,
    billing,
    may_deploy,
    not_allowed,
    pause,
    progress_of,
    shown_elsewhere,
    shown_work,
    watch,
)
from smviz.ui.resources import EMBEDDED, described, door

__all__ = ["deploy_view", "manage", "notices", "permissions_view"]

NEW, KNOWN = "A new model or other machines", "A config that exists"


def deploy_view(chosen: Chosen) -> None:
    """From a model artefact to an endpoint: what is going on, the form, and the whole plan before anything is made."""
    with shown_errors():
        allowed = may_deploy()
    if not allowed:
        not_allowed()
    shown_elsewhere(chosen)
    _followed(chosen)
    left, right = st.columns([1, 1.1], gap="large")
    with left:
        _titled("Deploy a model", chosen.place, ":material/location_on:")
        plan = _plan_form(chosen)
    with right:
        _titled("The plan", "before anything is made", ":material/edit_note:")
        _plan(plan, chosen, allowed)


def manage(endpoint: Endpoint, chosen: Chosen) -> None:
    """What can be done to the chosen endpoint: follow it, update it, delete it."""
    notices(chosen)
    if not shown_work(chosen, endpoint.name) and endpoint.status in IN_PROGRESS:
        watch(chosen, endpoint.name)
    if endpoint.status in IN_PROGRESS:
        return
    with shown_errors():
        if not may_deploy():
            not_allowed()
            return
    if endpoint.status != "Failed":
        with st.expander("Update to another config", icon=":material/upgrade:"):
            _update(endpoint, chosen)
    with st.expander("Delete this endpoint", icon=":material/delete:"):
        _delete(endpoint, chosen)


def notices(chosen: Chosen) -> None:
    """The work on other endpoints of the region than the chosen one; a page may call it where none is chosen."""
    shown_elsewhere(chosen, chosen.endpoint)


def _titled(title: str, note: str, icon: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.header(title, anchor=False, width="content")
        st.badge(note, icon=icon, color="gray")


def _followed(chosen: Chosen) -> None:
    """The chosen endpoint, when AWS says that it is in progress and no work of this server tells of it already."""
    now = progress_of(chosen, chosen.endpoint or "")
    if chosen.endpoint is None or (now and now.state == "running"):
        return
    try:
        endpoint = described(chosen.connection, chosen.endpoint)
    except SmvizError:  # the form can be filled in all the same
        return
    if endpoint.status in IN_PROGRESS:
        watch(chosen, endpoint.name)


def _plan_form(chosen: Chosen) -> Plan:
    region, key = aws_region(chosen), f"deploy {chosen.region}"
    name = st.text_input(
        "Endpoint's name",
        key=f"{key} name",
        placeholder="cars",
        max_chars=63,
        persist_state="session",
        help="Letters, digits and hyphens. The model and the endpoint config get the same name.",
    ).strip()
    artefact = artefact_input(chosen, f"{key} artefact")
    image = image_input(region, f"{key} image")
    role = role_input(chosen, f"{key} role")
    machines = machines_input(region, f"{key} machines")
    return Plan(region, name, image, artefact, role, name, name, (PlannedVariant(machines),))


def _plan(plan: Plan, chosen: Chosen, allowed: bool) -> None:
    embedded = chosen.region == EMBEDDED
    problems = check(plan, embedded)
    if problems:
        problem_list(problems)
    else:
        step_list(steps(plan))
    costs(plan, embedded, f"deploy {chosen.region}")
    if allowed:
        label = f"Deploy {plain(plan.endpoint)}" if plan.endpoint else "Deploy"
        if st.button(label, type="primary", icon=":material/rocket_launch:", disabled=bool(problems), width="stretch"):
            with shown_errors():
                work = deploy(door(chosen.connection), plan, embedded, pause(chosen))
                st.session_state["to choose"] = (chosen.connection, plan.endpoint)
                begin(chosen, plan.endpoint, work)
    if not problems:
        with st.expander("The same as AWS CLI commands", icon=":material/terminal:"):
            aws_cli(cli_commands(plan), chosen)
        with st.expander("The IAM policies it needs", icon=":material/policy:"):
            made = plan if plan.artefact.startswith("s3://") else replace(plan, artefact="")
            policies(Resources.of(made), f"policies of plan {chosen.region}", beside=False)


def _update(endpoint: Endpoint, chosen: Chosen) -> None:
    key = f"update {chosen.key} {endpoint.config}"
    kinds = (NEW, KNOWN) if _is_plain(endpoint) else (KNOWN,)
    kind = st.segmented_control("Move it to", kinds, default=kinds[0], required=True, key=f"{key} kind")
    if kind == KNOWN:
        _move(endpoint, chosen, key)
        return
    if len(endpoint.variants) > 1:
        st.caption(f":orange[:material/warning:] Its {len(endpoint.variants)} variants would give way to one.")
    with shown_errors():
        plan = _update_form(endpoint, chosen, key)
    embedded = chosen.region == EMBEDDED
    problems = check(plan, embedded)
    if problems:
        problem_list(problems)
    else:
        step_list(update_steps(plan))
    costs(plan, embedded, key)
    label = f"Update {plain(endpoint.name)}"
    if st.button(label, type="primary", icon=":material/upgrade:", disabled=bool(problems), key=f"{key} go"):
        with shown_errors():
            client = door(chosen.connection)
            begin(chosen, endpoint.name, update(client, plan, client.describe(endpoint.name), embedded, pause(chosen)))
    if not problems:
        with st.popover("AWS CLI commands", icon=":material/terminal:"):
            aws_cli(commands(update_steps(plan), plan.region), chosen)


def _update_form(endpoint: Endpoint, chosen: Chosen, key: str) -> Plan:
    """The endpoint's own model and machines to start from."""
    region, variant = aws_region(chosen), endpoint.variants[0] if endpoint.variants else None
    model = _model(chosen, variant.model if variant else "")
    machines: Instances | Serverless | None = None
    if variant and variant.memory:
        machines = Serverless(variant.memory, variant.concurrency)
    elif variant and variant.instance:
        machines = Instances(variant.instance, max(1, variant.count))
    name = st.text_input(
        "Name of the new model and the new config", next_name(endpoint.config), max_chars=63, key=f"{key} name"
    ).strip()
    artefact = artefact_input(chosen, f"{key} artefact", next(iter(model.data), ""))
    image = image_input(region, f"{key} image", next(iter(model.images), ""))
    role = role_input(chosen, f"{key} role", model.role)
    compute = machines_input(region, f"{key} machines", machines)
    named = PlannedVariant(compute, variant.name) if variant else PlannedVariant(compute)
    return Plan(region, name, image, artefact, role, name, endpoint.name, (named,))


def _move(endpoint: Endpoint, chosen: Chosen, key: str) -> None:
    with st.form(f"{key} move", border=False):
        config = st.text_input("Name of the endpoint config", key=f"{key} config").strip()
        if st.form_submit_button(f"Update {plain(endpoint.name)}", type="primary", icon=":material/upgrade:"):
            with shown_errors():
                work = move(
                    door(chosen.connection), door(chosen.connection).describe(endpoint.name), config, pause(chosen)
                )
                begin(chosen, endpoint.name, work)


def _delete(endpoint: Endpoint, chosen: Chosen) -> None:
    parts = whole(endpoint)
    st.markdown(billing(endpoint, chosen))
    step_list(removal(parts))
    for note in endpoint.notes:
        st.caption(f":orange[:material/warning:] Not all that is behind it is known: {plain(note)}")
    if endpoint.components:
        st.warning(f"Delete its inference components first: {plain(', '.join(endpoint.components))}.")
    if chosen.region != EMBEDDED:
        st.markdown("What stays:\n" + "\n".join(f"- {plain(sentence)}" for sentence in what_stays(endpoint.name)))
    with st.form(f"delete {chosen.key}", border=False):
        typed = st.text_input(
            "Type the endpoint's name to confirm", placeholder=endpoint.name, key=f"delete {chosen.key} name"
        )
        asked = st.form_submit_button(
            f"Delete {plain(endpoint.name)}", type="primary", icon=":material/delete_forever:"
        )
    if asked and typed.strip() != endpoint.name:
        st.error("Nothing was deleted: the name typed is not the endpoint's.", icon=":material/error:")
    elif asked:
        with shown_errors():
            begin(chosen, endpoint.name, remove(door(chosen.connection), parts, pause(chosen)))
    with st.popover("AWS CLI commands", icon=":material/terminal:"):
        aws_cli(commands(removal(parts), aws_region(chosen)), chosen)


def _is_plain(endpoint: Endpoint) -> bool:
    """Whether a config of one model on its own machines can take its config's place."""
    return endpoint.hosting != "asynchronous" and not endpoint.components


def _model(chosen: Chosen, name: str) -> Model:
    try:
        return door(chosen.connection).describe_model(name) if name else Model(name)
    except SmvizError as error:
        show_error(error)
        return Model(name)
