"""The inputs that a plan is made of, and what it costs: shared by deploying and updating."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from smviz.deployment import Instances, Plan, Problem, Serverless, Step, built_in_image
from smviz.errors import BadSetting, SmvizError
from smviz.local.demo import MODEL_FILES
from smviz.pricing import (
    OBSERVED,
    PRICE_PAGE,
    Price,
    cost_per_1000,
    idle_cost_of_plan,
    price_per_hour,
    serverless_cost_per_1000,
)
from smviz.ui.choice import Chosen, measured_latency
from smviz.ui.frame import plain
from smviz.ui.resources import EMBEDDED, embedded_server, execution_roles

BUILT_IN, OTHER = "Built-in Object Detection", "Another image"
INSTANCES, SERVERLESS = "Instances", "Serverless"
USUAL = ("ml.m5.large", "ml.m5.xlarge", "ml.c5.xlarge", "ml.g4dn.xlarge", "ml.g5.xlarge")
DEFAULT_INSTANCE = "ml.m5.xlarge"
MEMORY = tuple(range(1024, 6144 + 1, 1024))  # MB


def aws_region(chosen: Chosen) -> str:
    """The region of a plan; the embedded endpoint plays one."""
    return chosen.connection.region


def artefact_input(chosen: Chosen, key: str, value: str = "") -> str:
    """Where the model is: in S3, or one of those that ship with the embedded endpoint."""
    if chosen.region != EMBEDDED:
        return st.text_input(
            "Model artefact in S3",
            value,
            key=key,
            placeholder="s3://bucket/path/model.tar.gz",
            persist_state="session",
        ).strip()
    shipped = [f"embedded://{name}" for name in MODEL_FILES]
    options = list(dict.fromkeys([*shipped, value] if value else shipped))
    picked = st.selectbox(
        "Model artefact",
        options,
        index=options.index(value) if value else 0,
        key=key,
        accept_new_options=True,
        persist_state="session",
        help="Two detectors ship with the embedded endpoint. Type another name to see a deployment fail.",
    )
    return (picked or "").strip()


def image_input(region: str, key: str, value: str = "") -> str:
    """The container image: the built-in algorithm's of the region, or any other."""
    try:
        built_in = built_in_image(region)
    except BadSetting as error:
        st.caption(plain(error.message))
        built_in = ""
    if built_in:
        kind = st.segmented_control(
            "Container image",
            (BUILT_IN, OTHER),
            default=OTHER if value and value != built_in else BUILT_IN,
            required=True,
            key=f"{key} kind",
            persist_state="session",
        )
        if kind == BUILT_IN:
            st.code(built_in, language=None, wrap_lines=True)
            return built_in
    return st.text_input(
        "Registry path of the image",
        value,
        key=key,
        placeholder=f"123456789012.dkr.ecr.{region}.amazonaws.com/detector:1",
        persist_state="session",
    ).strip()


def role_input(chosen: Chosen, key: str, value: str = "") -> str:
    """The execution role: one of those that there are, or an ARN typed in."""
    label, help_text = "Execution role", "What the model's container works under: it reads the artefact and the image."
    try:
        roles = execution_roles(chosen.connection)
    except SmvizError as error:
        typed = st.text_input(label, value, key=f"{key} typed", help=help_text, persist_state="session")
        st.caption(f"The roles cannot be listed, so type the ARN: {plain(error.message)}")
        return typed.strip()
    options = list(dict.fromkeys([value, *roles] if value else roles))
    picked = st.selectbox(
        label,
        options,
        key=key,
        accept_new_options=True,
        help=help_text,
        placeholder="Choose a role, or type its ARN",
        persist_state="session",
    )
    return (picked or "").strip()


def machines_input(region: str, key: str, current: Instances | Serverless | None = None) -> Instances | Serverless:
    """What the model runs on."""
    kind = st.segmented_control(
        "Runs on",
        (INSTANCES, SERVERLESS),
        default=SERVERLESS if isinstance(current, Serverless) else INSTANCES,
        required=True,
        key=f"{key} kind",
        persist_state="session",
        help="Instances run, and are billed, until the endpoint is deleted. Serverless is billed by the call.",
    )
    first, second = st.columns(2)
    if kind == SERVERLESS:
        was = current if isinstance(current, Serverless) else Serverless()
        memory = first.selectbox(
            "Memory in MB", MEMORY, MEMORY.index(was.memory), key=f"{key} memory", persist_state="session"
        )
        calls = second.number_input(
            "Most calls at once", 1, 200, was.concurrency, key=f"{key} calls", persist_state="session"
        )
        return Serverless(memory, calls)
    given = current if isinstance(current, Instances) else Instances(DEFAULT_INSTANCE)
    known = {price.instance for price in OBSERVED if (price.region, price.use) == (region, "hosting")}
    types = sorted({*USUAL, *known, given.type})
    instance = first.selectbox(
        "Instance type",
        types,
        types.index(given.type),
        key=f"{key} type",
        accept_new_options=True,
        persist_state="session",
    )
    count = second.number_input("Instances", 1, 100, given.count, key=f"{key} count", persist_state="session")
    return Instances((instance or "").strip(), count)


def own_prices() -> tuple[Price, ...]:
    """The prices that a person entered in this session."""
    prices: dict[tuple[str, str], Price] = st.session_state.setdefault("prices", {})
    return tuple(prices.values())


def costs(plan: Plan, embedded: bool, key: str) -> None:
    """What a plan costs idle and per 1,000 images, from a price and a latency that a person can change."""
    compute = plan.variants[0].compute
    first, second = st.columns(2)
    with first:
        price = _price_input(plan.region, compute, key)
    measured = measured_latency()
    latency = second.number_input(
        "Seconds per image",
        min_value=0.0,
        value=0.1 if measured is None else measured,
        step=0.05,
        format="%.3f",
        key=f"{key} latency {measured}",
        persist_state="session",
        help="A guess until a call was made in this session; then that call's latency. Put in what you measured.",
    )
    if isinstance(compute, Serverless):
        idle, busy = 0.0, serverless_cost_per_1000(price, compute.memory, latency)
    else:
        idle, busy = idle_cost_of_plan(plan, own_prices()), cost_per_1000(price, compute.count, latency)
    with st.container(horizontal=True, gap="medium"):
        st.metric("Idle, per day", usd(idle), border=True, help="24 hours without a single call")
        st.metric("Per 1,000 images", usd(busy, 3), border=True, help="One after the other, at that latency")
    if embedded:
        st.caption(
            ":green[:material/savings: **The embedded endpoint costs nothing.**] These figures are those of the same "
            f"plan on AWS in {plain(plan.region)}."
        )


def problem_list(problems: Sequence[Problem]) -> None:
    """What is missing or wrong, before AWS is asked for anything."""
    lines = [f"- {plain(problem.message)} {plain(problem.advice)}" for problem in _told_once(problems)]
    st.warning("**Before it can be made:**\n" + "\n".join(lines), icon=":material/edit_note:")


def _told_once(problems: Sequence[Problem]) -> list[Problem]:
    """Without the model's and the config's names where the endpoint's name, which they follow, is wrong itself."""
    names = {problem.field for problem in problems} & {"model", "config", "endpoint"}
    following = {"model", "config"} if "endpoint" in names else {"config"} if "model" in names else set()
    return [problem for problem in problems if problem.field not in following]


def step_list(steps: Sequence[Step]) -> None:
    """The steps in words, numbered."""
    st.markdown("\n".join(f"{i}. {plain(step.sentence)}" for i, step in enumerate(steps, 1)))


def aws_cli(script: str, chosen: Chosen) -> None:
    """The same as commands to copy; for the embedded endpoint they are pointed to it."""
    if chosen.region == EMBEDDED:
        url = embedded_server().environment["AWS_ENDPOINT_URL_SAGEMAKER"]
        script = f"export AWS_ENDPOINT_URL_SAGEMAKER={url} &&\n{script}"
    st.code(script, language="bash", wrap_lines=True)


def usd(amount: float, digits: int = 2) -> str:
    """An amount of money; an em dash where it is not known."""
    return "—" if math.isnan(amount) else f"{amount:,.{digits}f} USD"


def _price_input(region: str, compute: Instances | Serverless, key: str) -> float | None:
    if isinstance(compute, Serverless):
        price = st.number_input(
            "USD per GB-second",
            min_value=0.0,
            value=None,
            step=0.00001,
            format="%.7f",
            placeholder="not known here",
            key=f"{key} price per GB-second {region}",
            persist_state="session",
        )
        if price is None:
            st.caption(f"Not known here: enter your region's from the [list of AWS]({PRICE_PAGE}).")
        return price
    observed = price_per_hour(region, compute.type)
    price = st.number_input(
        "USD per hour and instance",
        min_value=0.0,
        value=observed.usd_per_hour if observed else None,
        step=0.01,
        format="%.4f",
        placeholder="not known here",
        key=f"{key} price {region} {compute.type}",
        persist_state="session",
    )
    prices: dict[tuple[str, str], Price] = st.session_state.setdefault("prices", {})
    if price is None or (observed and price == observed.usd_per_hour):
        prices.pop((region, compute.type), None)
    else:
        prices[region, compute.type] = Price(region, compute.type, "hosting", price)
    _price_source(observed, price)
    return price


def _price_source(observed: Price | None, price: float | None) -> None:
    listed = f"[list of AWS]({PRICE_PAGE})"
    if observed is None:
        st.caption(f"Not known here: enter your region's from the {listed}." if price is None else "Entered by you.")
        return
    dated = f"observed {observed.observed}" if observed.observed else "observed at an unknown date"
    told = (
        dated.capitalize() if price == observed.usd_per_hour else f"Entered by you; {observed.usd_per_hour:g} {dated}"
    )
    st.caption(f"{told}: check it in the {listed}.", help=plain(observed.source))
