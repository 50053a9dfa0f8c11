"""The workspace of one folder, in one file."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from smviz.database import Database, ReadOnlyDatabase, Told, Transaction
from smviz.errors import UnknownRun
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import copying, creating, known, outcomes, reviews, shipping
from smviz.store.claims import Claim, Clock, Lease, claims
from smviz.store.folder import FILE_NAME, check_shared, make_folder
from smviz.store.keys import key_prefix
from smviz.store.packing import unpacked
from smviz.store.places import Remote, image_at, read_image
from smviz.store.rows import SELECT_RUN, Run, from_json, run_of, storable, to_json, undamaged
from smviz.store.schema import MIGRATIONS
from smviz.store.shipping import SavedThresholds
from smviz.thresholds import Thresholds

_LARGEST_TRUTH = 1 << 32  # bytes; the largest file of COCO's has 0.45e9


class Store:
    """The workspace in one file. Any thread may use it, and several processes may have the same folder open.

    Raises:
        StoreError: from every method, when the file cannot be opened, read or written.
    """

    def __init__(self, folder: Path, clock: Clock = time.time, *, read_only: bool = False, alone: bool = False) -> None:
        """Open the workspace in `folder`.

        Args:
            folder: made when missing.
            clock: tells when claims lapse.
            read_only: nothing is made, migrated or locked, and every change raises `StoreError`; the folder may be on a
                disk that cannot be written, or somebody else's.
            alone: nothing stays beside the file once it is closed, so that its folder can be given away.

        Raises:
            StoreError: when the file cannot be opened; one that is only read must exist and have the newest schema.
        """
        self.folder = folder
        self._clock = clock
        if read_only:
            check_shared(folder)
            self._database: Database = ReadOnlyDatabase(folder / FILE_NAME, MIGRATIONS)
            return
        make_folder(folder)
        self._database = Database(folder / FILE_NAME, MIGRATIONS, alone)
        try:
            creating.sweep(self._database)
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish all writes, then let go of the file. Closing twice is harmless."""
        self._database.close()

    def new_name(self, words: str) -> str:
        """A name that no run has: the words, and the time in UTC."""
        return creating.new_name(self._database, words)

    def create_run(
        self,
        name: str,
        connection: Connection,
        request: Request,
        preset: Preset,
        images: Iterable[ImageRef],
        annotations: bytes | None = None,
        endpoint_config: str = "",
        source: str = "",
    ) -> Run:
        """Begin a run: keep whom it calls, how, its images, and the file of its ground truth if there is one.

        Images given as bytes are copied into the workspace, once however many runs have them, as `annotations` are.
        The images may be more than fit in memory: they are stored as they come, and the run is there when all are.

        Args:
            name: unique in the workspace.
            connection: which SageMaker is called.
            request: which endpoint, and how.
            preset: how its replies are read.
            images: in order, of different names.
            annotations: the bytes of a file of ground truth.
            endpoint_config: the name of the endpoint's config; "" where it is not known.
            source: where the images come from, in words.

        Raises:
            BadSetting: when the name is empty or taken, there are no images, or two have the same name.
            Exception: what the iteration over the images raises; nothing is left of the run.
        """
        rows = ((image, None) for image in images)
        words = (endpoint_config, source, "", "")
        return self.run(
            creating.make_run(self._database, name, (connection, request, preset), rows, annotations, words)
        )

    def keep_run(
        self,
        name: str,
        preset: Preset,
        rows: Iterable[tuple[ImageRef, Outcome]],
        imported: str,
        annotations: bytes | None = None,
        source: str = "",
        note: str = "",
    ) -> Run:
        """Keep what was run elsewhere: its images, and what became of each; streamed and whole as `create_run`.

        Args:
            name: unique in the workspace.
            preset: how the replies are read.
            rows: the images in order, each with its outcome; an image may be nowhere.
            imported: what the run was made from, in words.
            annotations: the bytes of a file of ground truth.
            source: where the images come from, in words.
            note: what there is to say about it.

        Raises:
            BadSetting: as `create_run`.
            Exception: what the iteration over the rows raises; nothing is left of the run.
        """
        nowhere = (Connection(""), Request(""), preset)
        words = ("", source, imported, note)
        return self.run(creating.make_run(self._database, name, nowhere, rows, annotations, words))

    def keep_copy(
        self,
        run: Run,
        rows: Iterable[tuple[ImageRef, Outcome | None]],
        annotations: bytes | None,
        made: Mapping[str, str],
    ) -> Run:
        """Keep a run of another workspace under its own id, in place of an earlier copy; whole, or not at all.

        Args:
            run: what is told of it. Where another run has its name, its id is added to that.
            rows: the images in order, each with its outcome if it has one; an image may be nowhere.
            annotations: the bytes of a file of ground truth.
            made: the decisions about its labels in doubt.

        Raises:
            BadSetting: when there are no images, or two have the same name.
            Exception: what the iteration over the rows raises; an earlier copy stays as it was.
        """
        copying.keep_copy(self._database, run, rows, annotations, made)
        return self.run(run.id)

    def runs(self) -> tuple[Run, ...]:
        """All runs, newest first."""
        return tuple(run_of(row) for row in self._database.read(f"{SELECT_RUN} ORDER BY created DESC, number DESC"))

    def run(self, id_or_name: str) -> Run:
        """One run.

        Raises:
            UnknownRun: when there is none of that id or name.
        """
        rows = self._database.read(f"{SELECT_RUN} AND ? IN (id, name)", (id_or_name,))
        if not rows:
            newest = "SELECT name FROM run WHERE total IS NOT NULL ORDER BY created DESC, number DESC LIMIT 10"
            known = [name for (name,) in self._database.read(newest)]
            raise UnknownRun(
                f"There is no run “{id_or_name}” in this workspace.",
                f"The latest runs are: {', '.join(known)}." if known else "No run has been made here yet.",
            )
        return run_of(rows[0])

    def rename_run(self, run_id: str, name: str) -> Run:
        """Give a run another name.

        Raises:
            BadSetting: when the name is empty or taken.
            UnknownRun: when there is no such run.
        """
        if self.run(run_id).name != name:

            def write(db: Transaction) -> None:
                creating.check_run_name(db, name)
                db.execute("UPDATE run SET name = ? WHERE id = ?", (name, run_id))

            self._database.write(write)
        return self.run(run_id)

    def set_note(self, run_id: str, note: str) -> Run:
        """Write down something about a run, in place of what was written before.

        Raises:
            UnknownRun: when there is no such run.
        """
        row = (storable(note), self.run(run_id).id)
        self._database.write(lambda db: db.execute("UPDATE run SET note = ? WHERE id = ?", row))
        return self.run(run_id)

    def set_class_map(self, run_id: str, class_map: Mapping[str, str | None]) -> Run:
        """Keep what the endpoint's class names mean to the ground truth; None leaves a class out.

        Raises:
            UnknownRun: when there is no such run.
        """
        row = (json.dumps(dict(class_map)), self.run(run_id).id)
        self._database.write(lambda db: db.execute("UPDATE run SET class_map = ? WHERE id = ?", row))
        return self.run(run_id)

    def claim(self, run_id: str) -> Lease:
        """Claim a run before anything is called for it, so that nobody else works on it.

        Raises:
            RunAtWork: when somebody has claimed it, this process not excepted.
            UnknownRun: when there is no such run.
        """
        return Lease(self._database, run_id, self._clock)

    def claims(self) -> tuple[Claim, ...]:
        """The runs that are at work now, in any process, by the start of the work."""
        return claims(self._database, self._clock)

    def delete_run(self, run_id: str) -> None:
        """Forget a run, its outcomes, and the replies and uploads that no other run has; no image file is touched.

        The file does not get smaller, for what is stored next takes the room; `compact` gives it back.
        """
        creating.forget(self._database, run_id)

    def size(self, run_id: str | None = None) -> int:
        """Bytes of the workspace on the disk; of one run, its replies, uploads and ground truth, shared or not."""
        if run_id is None:
            return self._database.size()
        ((size,),) = self._database.read(_SIZE, (run_id,) * 3)
        return int(size)

    def compact(self) -> int:
        """Give the room of deleted runs back to the disk, and return the bytes that were freed.

        Takes seconds for a gigabyte, in which nothing else is stored; what another program still reads is given back
        later.

        Raises:
            StoreError: when another program writes all the while, or the disk has no room for the second copy that is
                made meanwhile; nothing is lost then.
        """
        return self._database.compact()

    def image_names(self, run_id: str) -> tuple[str, ...]:
        """The names of a run's images, in the order they were given."""
        rows = self._database.read(f"SELECT name FROM image WHERE run = {_NUMBER} ORDER BY position", (run_id,))
        return tuple(name for (name,) in rows)

    def image_data(self, run_id: str, name: str, remote: Remote | None = None) -> bytes:
        """The bytes of an image file of a run, as they are now; `remote` reads what is not on this machine.

        Raises:
            BadImage: when the file is no longer where it was, cannot be read, or was never known.
            UnknownRun: when the run, or the image in it, is not known.
        """
        sql = f"SELECT location, file FROM image WHERE run = {_NUMBER} AND name = ?"
        rows = self._database.read(sql, (run_id, name))
        if not rows:
            raise UnknownRun(f"There is no image “{name}” in run {run_id}.", "The run may have been deleted meanwhile.")
        location, file = rows[0]
        return read_image(image_at(name, location, outcomes.file_data(self._database, file)), remote)

    def copied_frame(self, run_id: str, name: str) -> tuple[int, int] | None:
        """Width and height that an image was sent with, where the run has but a small picture of it; else None."""
        rows = self._database.read(
            """SELECT width, height FROM run JOIN image ON image.run = run.number
                JOIN outcome ON outcome.image = image.id
                WHERE run.id = ? AND image.name = ? AND shared = 'small' AND width > 0""",
            (run_id, name),
        )
        return (int(rows[0][0]), int(rows[0][1])) if rows else None

    def annotations(self, run_id: str) -> bytes | None:
        """The file of a run's ground truth, as it was given; None where there is none.

        Raises:
            UnknownRun: when there is no such run.
        """
        rows = self._database.read("SELECT annotations FROM run WHERE id = ?", (self.run(run_id).id,))
        with undamaged("ground truth", "Delete its run, and start a new one with the annotations."):
            return None if rows[0][0] is None else unpacked(rows[0][0], _LARGEST_TRUTH)

    def decisions(self, run_id: str) -> dict[str, str]:
        """What was decided about the labels in doubt of a run: a decision for each doubt that has one."""
        return reviews.decisions(self._database, run_id)

    def decide(self, run_id: str, made: Mapping[str, str | None]) -> None:
        """Keep decisions about labels in doubt, each in place of an earlier one; None takes one back.

        Raises:
            UnknownRun: when there is no such run.
        """
        reviews.decide(self._database, self.run(run_id).id, made)

    def append(self, run_id: str, outcome: Outcome, key: str = "") -> Future[None]:
        """Store what became of one image; the future is done when it is on the disk.

        A failure gives way to a later outcome of the same image; a reply never does.

        Args:
            run_id: the run.
            outcome: what became of one of its images.
            key: what identifies the call, see `reply_key`; its reply is known to later runs by that. "" keeps the
                reply for this run alone.

        Raises:
            StoreError: through the future, when the run has no such image or was deleted.
        """
        return self._database.queue(outcomes.append_outcomes, outcomes.Arrival.of(run_id, outcome, key))

    def post(self, run_id: str, outcome: Outcome, key: str, told: Told[outcomes.Arrival]) -> None:
        """As `append`, for who appends many: `told` is called once for all that reach the disk, or fail, together.

        It is called in another thread; it must be quick and must not write.
        """
        self._database.post(outcomes.append_outcomes, outcomes.Arrival.of(run_id, outcome, key), told)

    def flush(self) -> None:
        """Wait until every outcome appended so far is on the disk or has failed to get there."""
        self._database.write(lambda db: None)

    def known_reply(self, key: str) -> Reply | None:
        """The newest reply to a call of that key, or None where there was none; "" is no key."""
        return outcomes.known_reply(self._database, key)

    def known_keys(self, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys, see `reply_key`, whose reply is known."""
        return known.known_keys(self._database, keys)

    def reply_count(self) -> int:
        """How many replies there are; while it is the same, the same are known."""
        return known.reply_count(self._database)

    def latencies(self, connection: Connection, endpoint_config: str, request: Request) -> tuple[float, ...]:
        """Seconds that some of the earlier calls of any image took whose reply is known; empty where none is."""
        prefix = key_prefix(connection, endpoint_config, request)
        return known.latencies(self._database, prefix) if prefix else ()

    def outcomes(self, run_id: str) -> tuple[Outcome, ...]:
        """What became of the images that have an outcome, in the run's order, with all replies in memory."""
        return tuple(self.iter_outcomes(run_id))

    def iter_outcomes(self, run_id: str) -> Iterator[Outcome]:
        """As `outcomes`, a page at a time: the memory does not grow with the run."""
        return outcomes.iter_outcomes(self._database, run_id)

    def outcome(self, run_id: str, image: str) -> Outcome | None:
        """What became of one image, or None where nothing did yet."""
        return outcomes.outcome(self._database, run_id, image)

    def pending(self, run_id: str) -> Iterator[ImageRef]:
        """The images that have no reply, failed ones included, in the run's order; read a page at a time.

        Uploads come with their bytes. What is answered meanwhile may or may not be among them.
        """
        return outcomes.pending(self._database, run_id)

    def answered(self, run_id: str) -> frozenset[str]:
        """The names of the images that have a reply."""
        sql = f"""SELECT name FROM image JOIN outcome ON outcome.image = image.id
            WHERE outcome.run = {_NUMBER} AND failure_kind IS NULL"""
        return frozenset(name for (name,) in self._database.read(sql, (run_id,)))

    def save_preset(self, endpoint_key: str, preset: Preset) -> None:
        """Keep how the replies of an endpoint are read."""
        row = (endpoint_key, to_json(preset))
        self._database.write(lambda db: db.execute("INSERT OR REPLACE INTO preset VALUES (?, ?)", row))

    def preset(self, endpoint_key: str) -> Preset | None:
        """How the replies of an endpoint are read, or None where nobody has said so yet."""
        rows = self._database.read("SELECT preset FROM preset WHERE endpoint = ?", (endpoint_key,))
        return from_json(rows[0][0], Preset) if rows else None

    def save_request(self, endpoint_key: str, request: Request) -> None:
        """Keep how images are sent to an endpoint."""
        row = (endpoint_key, to_json(request))
        self._database.write(lambda db: db.execute("INSERT OR REPLACE INTO request VALUES (?, ?)", row))

    def request(self, endpoint_key: str) -> Request | None:
        """How images are sent to an endpoint, or None where nobody has said so yet."""
        rows = self._database.read("SELECT request FROM request WHERE endpoint = ?", (endpoint_key,))
        return from_json(rows[0][0], Request) if rows else None

    def save_thresholds(self, endpoint_key: str, thresholds: Thresholds, file: str = "") -> None:
        """Keep the thresholds that an endpoint's detections are cut at; `file` names the file they are from, if any.

        Raises:
            BadSetting: when one of them is NaN or infinite.
        """
        shipping.save(self._database, endpoint_key, thresholds, file)

    def thresholds(self, endpoint_key: str) -> SavedThresholds | None:
        """The thresholds that were kept last for an endpoint, or None where there are none.

        Raises:
            BadSetting: when a newer smviz wrote them.
        """
        return shipping.saved(self._database, endpoint_key)

    def forget_thresholds(self, endpoint_key: str) -> None:
        """Keep no thresholds for an endpoint any more."""
        shipping.forget(self._database, endpoint_key)


_NUMBER = "(SELECT number FROM run WHERE id = ?)"

# SQLite tells the length of a column without reading it.
_SIZE = f"""SELECT
    coalesce((SELECT sum(length(body)) FROM reply WHERE id IN (SELECT reply FROM outcome WHERE run = {_NUMBER})), 0)
    + coalesce((SELECT sum(length(data)) FROM file WHERE sha256 IN (SELECT file FROM image WHERE run = {_NUMBER})), 0)
    + coalesce((SELECT length(annotations) FROM run WHERE id = ?), 0)"""
