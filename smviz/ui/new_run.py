"""A new run: which images, which ground truth, how many calls, and what it will cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import median

import streamlit as st

from smviz.errors import BadImage, BadSource, EndpointError, NotAllowed, SmvizError
from smviz.image_sets import full_place, image_refs, open_images
from smviz.images import prepare
from smviz.local import SAMPLES
from smviz.records import ImageRef
from smviz.runner.forecast import Forecast, Forecasting, cost_in_words
from smviz.settings import Connection, Request
from smviz.sources import from_bytes
from smviz.store import read_image
from smviz.ui import session
from smviz.ui.choice import Chosen, measured_latency, preset_of, request_of
from smviz.ui.dataset import SERVER, UPLOAD, Labels, ground_truth_picker, place_picker
from smviz.ui.frame import plain, show_error, shown_errors
from smviz.ui.resources import MOST_CALLS, described, digests, files_door, image_check, store
from smviz.ui.running import WORKERS, usd_per_hour, work_on

SAMPLE_SET = "Sample set"
AT_ONCE = 0.3  # seconds that a page waits for the look at all images, before it shows how far that is
COUNTED = 250  # images between two words while listing

Images = tuple[ImageRef, ...]


def new_run(chosen: Chosen, opened: Callable[[str], None]) -> None:
    """The form of a new run, and the button that starts it; `opened` is told the new run's id.

    What goes wrong is shown in the form: the runs below it are still there.
    """
    try:
        started = _form(chosen)
    except SmvizError as error:
        show_error(error)
        return
    if started:
        opened(started)
        st.rerun()


def _form(chosen: Chosen) -> str | None:
    """The id of the run that was started."""
    place = place_picker("Images", [SAMPLE_SET, UPLOAD], "run source")
    images, source = _images(chosen, place)
    if place == SAMPLE_SET:
        labels: Labels | None = Labels(SAMPLES.annotations.read_bytes(), SAMPLE_SET, {})
        st.caption(f"{len(images)} labelled highway scenes that neither demo detector has seen in training.")
        labelled = True
    else:
        names = preset_of(chosen).class_names
        labels = ground_truth_picker(chosen, [image.name for image in images], names, _size_of(images, chosen))
        labelled = labels is not None or st.checkbox("Run without ground truth", help="It cannot be judged then.")
    workers, max_calls, fresh = _options()
    session.policy().check_run(session.person(), len(images))
    if images:
        _forecast(chosen, images, fresh)
    label = f"Run {len(images):,} images on {plain(chosen.label)}" if images else "Run"
    if not st.button(label, type="primary", icon=":material/play_arrow:", disabled=not (images and labelled)):
        return None
    run = store().create_run(
        store().new_name(f"{chosen.label} on {_words(source)}"),
        chosen.connection,
        request_of(chosen),
        preset_of(chosen),
        images,
        labels.annotations if labels else None,
        described(chosen.connection, chosen.endpoint or "").config,
        source,
    )
    if labels and labels.class_map:
        run = store().set_class_map(run.id, labels.class_map)
    work_on(run, workers, fresh=fresh, max_calls=max_calls)
    return run.id


def _images(chosen: Chosen, place: str) -> tuple[Images, str]:
    """The images, and where they come from, in words."""
    if place == SAMPLE_SET:
        return tuple(ImageRef(path.name, path=path) for path in SAMPLES.images), "sample set"
    if place == UPLOAD:
        return _uploaded()
    if place == SERVER:
        given = st.text_input(
            "Folder, zip or manifest",
            placeholder="/data/highway/images",
            help="On the machine that serves this page. A manifest has one path or s3:// URI a line.",
            key="run folder",
        )
    else:
        given = st.text_input("S3 prefix", placeholder="s3://bucket/prefix", key="run prefix")
    if not given.strip():
        return (), ""
    return _listed(chosen, given.strip()), full_place(given.strip())


def _uploaded() -> tuple[Images, str]:
    files = st.file_uploader("Images, or one zip of them", accept_multiple_files=True, key="run images")
    if not files:
        return (), ""
    with from_bytes([(file.name, file.getvalue()) for file in files], "the upload") as source:
        images = tuple(image_refs(source))
    check = image_check()
    for image in images:
        check(image.data or b"", image.name)
    if not images:
        st.warning("There is no image among these files.", icon=":material/warning:")
    elif len(files) > len(images):
        st.caption(f":material/info: {len(files) - len(images)} of these files are no images and are left out.")
    return images, files[0].name if len(files) == 1 else f"{len(images)} uploaded images"


def _listed(chosen: Chosen, place: str) -> Images:
    """The images at a place, listed once; how many there are so far is shown meanwhile."""
    if not place.startswith("s3://"):
        session.check_files()
    again = st.session_state.pop("list again", False)
    key, kept = st.session_state.get("listed images", (None, ()))
    found: Images = kept
    if again or key != (chosen.connection, place):
        st.session_state.pop("listed images", None)
        files = files_door(chosen.connection)
        with st.empty(), open_images(place, files.s3_source, files.s3_read) as source:
            found = tuple(_counted(image_refs(source)))
        st.session_state["listed images"] = ((chosen.connection, place), found)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{len(found):,}** images" if found else ":orange[:material/warning: No images there.]")
        if st.button("List again", type="tertiary", icon=":material/refresh:"):
            st.session_state["list again"] = True
            st.rerun()
    return found


def _counted(images: Iterable[ImageRef]) -> Iterable[ImageRef]:
    for number, image in enumerate(images, 1):
        if number % COUNTED == 0:
            st.markdown(f":material/search: {number:,} images so far …")
        yield image


def _size_of(images: Images, chosen: Chosen) -> Callable[[str], tuple[int, int] | None]:
    """Width and height of an image by its name, for ground truth that does not tell them."""
    by_name = {image.name: image for image in images}

    def size(name: str) -> tuple[int, int] | None:
        if name not in by_name:
            return None
        try:
            payload = prepare(read_image(by_name[name], files_door(chosen.connection).s3_read), name)
        except (BadImage, BadSource, EndpointError, NotAllowed):
            return None
        return payload.width, payload.height

    return size


def _options() -> tuple[int, int | None, bool]:
    """Calls at once, calls at most, and whether known replies are called for again."""
    first, second, third = st.columns([1, 1, 2], vertical_alignment="bottom", gap="medium")
    workers = first.number_input(
        "Most calls at once",
        1,
        MOST_CALLS,
        WORKERS,
        help="How many there are is found out while calling: as many as the endpoint can use, never more than this.",
        key="run workers",
    )
    most = second.number_input(
        "Stop after so many calls", 1, value=None, placeholder="no limit", key="run max calls", step=100
    )
    fresh = third.toggle(
        "Call again even for known replies",
        help="The reply to an image that this endpoint's config has answered before is taken from the workspace.",
        key="run fresh",
    )
    return int(workers), None if most is None else int(most), fresh


def _forecast(chosen: Chosen, images: Images, fresh: bool) -> None:
    """How many calls there will be, and what they may cost; whether one variant answers."""
    endpoint = described(chosen.connection, chosen.endpoint or "")
    request = request_of(chosen)
    if len(endpoint.variants) > 1 and not request.variant:
        st.warning(
            "The traffic is split over several variants, so that the run mixes models.", icon=":material/warning:"
        )
    how = (chosen.connection, endpoint.config, request)
    if fresh:
        _told(chosen, Forecast(len(images), len(images), latency=median(store().latencies(*how) or (math.nan,))))
        return
    looking = _looking(how, images)
    if looking.wait(AT_ONCE):
        _told(chosen, looking.now)
    else:
        _watched(chosen, looking)


def _looking(how: tuple[Connection, str, Request], images: Images) -> Forecasting:
    """The look at these images: begun anew when others are chosen, or other replies are known."""
    at_work = frozenset(claim.run for claim in store().claims())  # a look at each of their replies would never end
    asked = (how, images, at_work or store().reply_count())
    before: tuple[object, Forecasting | None] = st.session_state.get("forecast", (None, None))
    kept, looking = before
    if looking is None or kept != asked:
        if looking is not None:
            looking.stop()
        looking = Forecasting(store(), how, images, len(images), digests())
        st.session_state["forecast"] = (asked, looking)
    return looking


@st.fragment(run_every=0.5)
def _watched(chosen: Chosen, looking: Forecasting) -> None:
    with shown_errors():
        if looking.wait(0):
            st.rerun()
    now = looking.now
    words = f"Looking for known replies: {now.looked:,} of {now.images:,} images, {now.known:,} known so far"
    st.progress(now.looked / now.images, words)


def _told(chosen: Chosen, foreseen: Forecast) -> None:
    """The calls to make, those that need not be made, and what they may cost."""
    price = usd_per_hour(chosen.connection, chosen.endpoint or "")
    latency = measured_latency() if math.isnan(foreseen.latency) else foreseen.latency
    words = cost_in_words(foreseen.calls, price, math.nan if latency is None else latency)
    st.caption(f":material/payments: {plain(f'{foreseen} {words}'.strip())}")


def _words(source: str) -> str:
    return source.rstrip("/").rpartition("/")[2] or source
