"""What the stages hand to one another: typed, frozen, versioned models.

Arrays and media lie beside a model as objects of the store, named by `Ref`. Time is integer samples at
48 kHz counted from the first video frame, frame indices of the source, or rationals; seconds appear only
at the rim. Ranges are half-open.

A model's `schema_version` is raised when its meaning changes; actions that write it raise their own
version with it.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

SAMPLE_RATE = 48_000
"""Sample rate of every sound inside the pipeline, Hz."""

BLOCK_SAMPLES = 30 * SAMPLE_RATE
"""Samples in a block of a `Sound` (the last may be shorter): small enough that an edit remixes little,
large enough that an hour is 120 objects."""

PEAKS_PER_SECOND = 40
"""Steps in which the report's page shows a sound: 25 ms tell syllables apart, and two hours are 0.3 MB."""


def _to_fraction(value: object) -> Fraction:
    if isinstance(value, Fraction):
        return value
    if isinstance(value, (int, str)):
        return Fraction(value)
    raise ValueError(f"not a rational: {value!r}")


Ratio = Annotated[
    Fraction,
    BeforeValidator(_to_fraction),
    PlainSerializer(lambda value: f"{value.numerator}/{value.denominator}", return_type=str),
]
"""An exact rational, written as "num/den" in JSON."""


class Frozen(BaseModel):
    """Base of every artifact: immutable, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def model_post_init(self, _: Any, /) -> None:
        # Nobody asks which fields were given, and to tell pydantic holds a set for each artifact, of 728 B
        # from five fields on: a tenth of a megabyte for a minute of video.
        object.__setattr__(self, "__pydantic_fields_set__", _fields_of(type(self)))


@cache
def _fields_of(kind: type[Frozen]) -> set[str]:
    return set(kind.model_fields)


class Ref(Frozen):
    """An object of the store."""

    sha256: str
    """Hex digest of the bytes, which is also the object's name."""
    size: int
    """Bytes."""


class FrameRange(Frozen):
    """Source frames `start` <= i < `stop`, in presentation order."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def intersect(self, other: FrameRange) -> FrameRange | None:
        """The frames in both ranges, or None."""
        start, stop = max(self.start, other.start), min(self.stop, other.stop)
        return FrameRange(start=start, stop=stop) if start < stop else None


class Sound(Frozen):
    """PCM at 48 kHz in fixed blocks of `BLOCK_SAMPLES`, each one FLAC file of 24 bits."""

    channels: int
    samples: int
    """Length in samples per channel."""
    blocks: tuple[Ref, ...]


class MasteringDisplay(Frozen):
    """The display on which an HDR programme was graded (SMPTE ST 2086); (x, y) are CIE 1931 in 1/50000."""

    red: tuple[int, int]
    green: tuple[int, int]
    blue: tuple[int, int]
    white: tuple[int, int]
    brightest: int
    """1/10000 cd/m²."""
    darkest: int
    """1/10000 cd/m²."""


class ContentLight(Frozen):
    """How bright an HDR programme gets (CTA-861.3), cd/m²."""

    most: int
    """The brightest pixel of all (MaxCLL)."""
    average: int
    """The brightest picture's mean (MaxFALL)."""


HDR_TRANSFERS = ("smpte2084", "arib-std-b67")
"""Perceptual quantiser and hybrid log-gamma (ITU-R BT.2100), as ffmpeg names them."""


class VideoStream(Frozen):
    """The picture as coded."""

    index: int
    """Stream index in the container."""
    codec: str
    profile: str | None
    width: int
    """Coded width in pixels, before rotation and sample aspect."""
    height: int
    pix_fmt: str
    """ffmpeg's name of the decoder's own pixel format, e.g. `yuv420p`."""
    bit_depth: int
    time_base: Ratio
    """Seconds per tick of the frame table's `pts`."""
    average_rate: Ratio
    """Frames per second; the frame table is what counts."""
    sample_aspect: Ratio
    rotation: Literal[0, 90, 180, 270]
    """Degrees counter-clockwise that a player turns the coded picture by."""
    matrix: Literal["bt601", "bt709", "bt2020nc"]
    """YCbCr matrix; where the file does not say: bt709 from 720 lines up, else bt601."""
    matrix_declared: bool
    full_range: bool
    """True for 0..255 luma ("pc"), False for 16..235 ("tv", the assumption where not declared)."""
    primaries: str | None
    transfer: str | None
    chroma_location: Literal["left", "center", "topleft"]
    mirrored: bool = False
    """Whether a player shows the turned picture with left and right exchanged."""
    first_field: Literal["top", "bottom"] | None = None
    """Of interlaced pictures, the field that is shown first; None for progressive ones."""
    mastering: MasteringDisplay | None = None
    content_light: ContentLight | None = None

    @property
    def is_hdr(self) -> bool:
        """Whether the picture is coded for more than the brightness of paper."""
        return self.transfer in HDR_TRANSFERS


class AudioStream(Frozen):
    """One sound track of the source."""

    index: int
    """Stream index in the container."""
    track: int
    """1-based place among the sound tracks: what `--audio-track` names."""
    codec: str
    sample_rate: int
    channels: int
    layout: str
    language: str | None
    title: str | None
    default: bool


class Join(Frozen):
    """Where the timestamps of a file begin anew, as behind each recording of a joined one."""

    frame: int
    """The first of the new clock."""
    shift: int
    """Ticks by which this and the following frames are later in the table than the file says."""
    position: int
    """Byte of the file at which the packet of that frame begins, or a packet of a few frames on."""


class FrameTable(Frozen):
    """Every frame's timestamp. `table` is a .npy file, int64 [count, 2]: pts in ticks, 1 if a key frame."""

    count: int
    table: Ref
    duration: int
    """Ticks from the first frame's pts to the end of the last frame."""
    positions: Ref | None = None
    """A .npy file, int64 [count]: where decoding can begin, see `loc.media.timeline.Timeline`. Apart from the
    times, since films with the same times are cut alike, wherever their bytes lie."""
    joins: tuple[Join, ...] = ()


class Chunk(Frozen):
    """Part of one shot, at most 10 s: the unit of decoding, face tracking and encoding."""

    shot: int
    """Index into `Source.shots`."""
    frames: FrameRange


class Subtitled(Frozen):
    """Subtitles that are part of the source's picture, below."""

    texts: int
    """How many were seen to appear; one that comes with a cut is not counted."""
    top: float
    """Heights of the upright picture, from above: where the highest begins."""
    foot: float
    """Where the lowest ends."""


class Source(Frozen):
    """What ingest found out about the input; depends on nothing but the file and the chosen sound track."""

    schema_version: Literal[1] = 1
    digest: str
    """SHA-256 of the file."""
    size: int
    container: str
    """ffmpeg's format name, e.g. `mov,mp4,m4a,3gp,3g2,mj2`."""
    video: VideoStream
    audio: tuple[AudioStream, ...]
    chosen_audio: int | None
    """`AudioStream.index` of the track being localized; None without sound."""
    frames: FrameTable
    shots: tuple[FrameRange, ...]
    chunks: tuple[Chunk, ...]
    sound_start: Ratio
    """Seconds on the container's clock that sample 0 belongs to: when the first picture is shown."""
    master: Sound | None
    """The chosen track, sample 0 at the first video frame's time, silence-padded to at least the
    picture's length, channels as in the source."""
    samples: int
    """Length of the programme in samples: the picture's, or the sound's where that is longer."""
    subtitled: Subtitled | None = None
    """Set where subtitles are burnt into the picture."""
    plate: Ref | None = None
    """Where the input is pictures: the video made of them, whose digest and size then stand above."""


class Stems(Frozen):
    """Speech and background, both as long and as many-channelled as `Source.master`; their sum is the
    master to 24 bits."""

    schema_version: Literal[1] = 1
    speech: Sound | None
    background: Sound | None
    speech_snr_db: float | None
    """Estimated level of speech over background, dB; None without sound or speech, or where the separator
    does not estimate it."""
    all_voices: bool = False
    """Whether laughs, breaths and song are in the speech too, so that they must be put back."""


class Word(Frozen):
    text: str
    start: int
    stop: int
    confidence: float | None
    """0..1; None where the recogniser gives none."""


class SpeakerMark(Frozen):
    """What a subtitle says of who speaks it."""

    name: str | None = None
    """As the subtitle has it."""
    changes: bool = False
    """Whether it is another than who speaks the one before."""


class Segment(Frozen):
    """One line of speech in the source."""

    id: str
    """Stable name of the line; never in a key."""
    start: int
    stop: int
    speaker: str | None
    text: str
    """Empty where only its translation was supplied."""
    words: tuple[Word, ...]
    confidence: float | None
    mark: SpeakerMark | None = None
    """Of the subtitle that was supplied."""


class Dropped(Frozen):
    """Something that was heard or supplied and is not in the transcript, and why."""

    start: int
    stop: int
    reason: str
    text: str = ""
    """Empty where there is none: voice without words, or a bare cue."""


class Kept(Frozen):
    """A stretch of the source in which voices stay in the dub as they were."""

    start: int
    stop: int
    by: Literal["no-words", "laugh", "song", "marked"]
    """`no-words`: nobody says a line there. `laugh`: beside a line, it repeats itself as no speech does.
    `song`: its words were recognised, and are sung. `marked`: the user wants it."""


class Speaker(Frozen):
    id: str
    median_f0_hz: float | None
    """Median fundamental frequency of the voiced frames."""
    voice_class: Literal["low", "high"]
    """Which side of 165 Hz; decides which of two stock voices is offered."""
    speech_samples: int
    voice: tuple[float, ...] = ()
    """Vector of the voice, of unit length, by the embedder of the run; empty where there is none."""
    name: str | None = None
    """What the cast file calls the speaker, or else the supplied subtitles; None where neither does."""


class Overlap(Frozen):
    """A line in which another voice is heard beside its speaker's."""

    segment: str
    speakers: tuple[str, ...]
    """The line's own first; others only where they say a line of their own somewhere."""
    by: Literal["turns", "voices"]
    """`turns`: both are heard at the same time. `voices`: a part of the line sounds like the other."""
    samples: int | None = None
    """How long both are heard; None where that is not known."""


class Unsure(Frozen):
    """A line whose speaker might be another."""

    segment: str
    speaker: str
    other: str
    """The next speaker."""
    margin: float
    """By how much the line is more similar to its own speaker than to the other; under 0: less."""


class Transcript(Frozen):
    schema_version: Literal[1] = 1
    language: str | None
    """BCP-47 primary tag, lower case; None where only a translation was supplied."""
    origin: Literal["recognised", "supplied", "cues"]
    """`cues`: segments are the cues of a supplied translation, without source text."""
    segments: tuple[Segment, ...]
    dropped: tuple[Dropped, ...]
    speakers: tuple[Speaker, ...]
    kept: tuple[Kept, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    unsure: tuple[Unsure, ...] = ()


class Reason(Frozen):
    """Why a gate or a route decided as it did."""

    code: str
    """Short, stable, e.g. `no-face`."""
    detail: str
    """For people; may hold figures, never text or names from the input."""


class Line(Frozen):
    """One line to be spoken in the target language."""

    id: str
    start: int
    stop: int
    """The slot in samples, as the source speaks it or the supplied cue says."""
    speaker: str | None
    segments: tuple[str, ...]
    """Ids of the transcript segments it translates (n:m where both were supplied)."""
    text: str
    unknown_words: int
    """Words the translator marked as unknown; 0 for supplied text."""
    failed: str | None
    """Why there is no text; then `text` is empty and the line is a defect, never echoed source."""
    notes: tuple[Reason, ...] = ()
    """What it seems to lack, for people to look at."""


class Spent(Frozen):
    """What a remote translator was asked for the lines that are used, whenever that was."""

    requests: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    """In the money of `--llm-price`; None where none was said."""


class Translation(Frozen):
    schema_version: Literal[1] = 1
    language: str
    source_language: str | None
    origin: Literal["translated", "supplied", "as-spoken"]
    """`as-spoken`: the transcript itself, where the source's own voice is kept."""
    lines: tuple[Line, ...]
    spent: Spent | None = None


class Phone(Frozen):
    """One sound of a spoken clip."""

    symbol: str
    start: int
    stop: int
    """Samples at 48 kHz from the clip's first sample."""


class Phones(Frozen):
    """The phones of one clip in time order."""

    alphabet: Literal["espeak", "openjtalk", "ipa", "arpabet"]
    phones: tuple[Phone, ...]


class Fit(Frozen):
    """How a line was made to fit its slot."""

    natural: int
    """Samples at the engine's normal rate, after trimming."""
    slot: int
    """Samples the source line has."""
    borrowed: int
    """Samples taken from the silence that follows."""
    rate: float
    """Engine rate used, 1.0 = normal, at most 1.35."""
    stretch: float
    """Tempo factor after synthesis, 1.0 = none, at most 1.25; more only where the whole text does not fit in
    the programme. Lines are never slowed."""
    overrun: int
    """Samples beyond what slot and silence gave; flagged when above 0."""
    shift: int = 0
    """Samples the clip begins after its line does, because an earlier one overran or shares its time;
    negative where it shares an earlier one's, or was moved earlier to end with the programme."""


class Clip(Frozen):
    """One line, spoken: dry, mono, 48 kHz, level-normalised; knows nothing of the mix."""

    line: str
    speaker: str | None
    voice: str
    place: int
    """Sample of the programme at which the clip's first sample sounds."""
    samples: int
    audio: Ref
    """FLAC, 48 kHz, mono, 24 bits."""
    phones: Ref
    """`Phones` as JSON."""
    fit: Fit
    backend: str | None = None
    """`stage/name` of the engine that says it; None where it is the source's own voice."""
    model: str | None = None
    """Id of the weights it spoke by, where its backend loads one of several."""
    take: int = 0
    """Which take of that engine it is."""
    heard_error: float | None = None
    """Share of its text's sounds that a recogniser does not hear in it, or hears besides; None where none
    listened, or the line is too short to be judged."""
    similarity: float | None = None
    """How like the recording that it imitates its voice is, -1..1; None where nothing compared them."""


class Loudness(Frozen):
    """EBU R128 figures of the mix, measured on the finished samples."""

    integrated_lufs: float | None
    true_peak_dbtp: float | None
    speech_lufs: float | None
    """Of the dub alone."""
    source_speech_lufs: float | None


class Slowed(Frozen):
    """A stretch of the picture that is shown slower, so that what is said over it fits."""

    frames: FrameRange
    factor: Ratio
    """How much longer each of its frames is shown, above 1."""


class Silent(Frozen):
    """A line that is not heard in the dub, and why."""

    line: str
    reason: str


class BankMatch(Frozen):
    """The voice of the bank that is nearest to a speaker, and whether it is taken."""

    speaker: str
    voice: str
    similarity: float
    """Cosine of the embedder's vectors, -1..1."""
    following: float | None
    """That of the next voice; None where the bank has no other."""
    limit: float
    """Similarity that is asked for."""
    outcome: Literal["taken", "unlike", "close", "nearer-speaker"]
    """`unlike`: under the limit. `close`: another voice is nearly as near. `nearer-speaker`: another speaker
    is nearer to the voice."""


class BankVoice(Frozen):
    """A voice of the bank in which a speaker's lines are said."""

    speaker: str
    voice: str
    own: str | None
    """Which of its own voices the engine takes for it; None where it imitates the recording."""
    person: str | None
    """Whose voice it is, and `rights`, what that person has agreed to: as the user noted them."""
    rights: str | None


class DubTrack(Frozen):
    schema_version: Literal[1] = 1
    language: str
    clips: tuple[Clip, ...]
    silent: tuple[Silent, ...]
    mix: Sound
    loudness: Loudness
    slowed: tuple[Slowed, ...] = ()
    """Stretches in order and apart. Where there are any, places in the dub and the length of its mix are
    those of the slowed programme (`loc.media.retiming`), no longer the source's."""
    matches: tuple[BankMatch, ...] = ()
    bank_voices: tuple[BankVoice, ...] = ()


class ChunkTracks(Frozen):
    """Faces of one chunk, with context frames from the same shot on both sides.

    `arrays` is a .npz file over n frames, documented in `loc.analysis.faces`.
    """

    chunk: int
    frames: FrameRange
    """The frames read: the chunk and its context."""
    arrays: Ref


class FaceTracks(Frozen):
    schema_version: Literal[1] = 1
    chunks: tuple[ChunkTracks, ...]


class CastFace(Frozen):
    """One face of one shot."""

    shot: int
    name: str
    """The shot's number and a letter, from the picture's left to its right: `3b`. Stable as long as the
    source and its shots are."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in shares of the picture as a player shows it, the median over the face's frames."""
    found: int
    """Frames of the shot that show it."""


class Casting(Frozen):
    """Who in the picture says some lines of one speaker in one shot, and how that is known."""

    shot: int
    speaker: str | None
    segments: tuple[str, ...]
    """Ids of the transcript's lines."""
    face: str | None
    """Name of a face of this shot; None where nobody in view says it, or where it is not known."""
    by: Literal[
        "cast-file",
        "only-face",
        "lips",
        "syncnet",
        "stable-syncnet",
        "visemes",
        "framing",
        "listener",
        "unsure",
    ]
    """`cast-file`: the user said so. `only-face`: no other is in view. `lips`: its lips move while the lines
    are heard, and the others' do not. `syncnet`, `stable-syncnet`: others' move as well, but this judge finds
    that only it says what is said. `visemes`: likewise, by the phones of what is said.
    `framing`: the speaker is seen in this place in shots that are framed alike. `listener`: nobody; the only
    face rests its lips, which move for another speaker, or the speaker's move in other shots. `unsure`: not
    known."""
    certain: bool
    lip_speed: float | None
    """Of the face, or of the fastest, while the lines are heard: face scales per second; None if not
    measured."""
    runner_up: float | None
    """The same of the next face."""
    seconds: float
    """Speech that the two rest on."""
    p: float | None
    """How often chance gives as large a difference of the two faces; None where nothing was compared."""
    agreement: float | None = None
    """How well the face's lips follow what is said, -1..1 (`loc.analysis.agreement`), or what the judge says;
    of an unsure one, the best of any face. None where it was not asked, or cannot be told."""
    agreement_p: float | None = None
    """How often chance does as well."""


class CastPerson(Frozen):
    """Faces that are taken for one person: those of one speaker, in the same place of shots framed alike."""

    name: str
    faces: tuple[str, ...]
    """Names of faces, at least one."""
    certain: bool
    """False where there are several: nobody is known by the looks of a face."""


class Cast(Frozen):
    """Speaker and face, shot by shot."""

    schema_version: Literal[1] = 1
    faces: tuple[CastFace, ...]
    castings: tuple[Casting, ...]
    people: tuple[CastPerson, ...] = ()
    """Who is seen speaking."""


class PatchTrack(Frozen):
    """Generated pixels over consecutive frames of one chunk: only what changes, never a video.

    `pixels`: FFV1, 8-bit RGB, `width` x `height`, `count` frames, in Matroska.
    `placement`: .npz with
        `matrix` float64 [count, 2, 3]: patch pixel centres (x, y) to coded source pixel centres;
        `polygon` float32 [count, k, 2]: outline of the mask in patch pixels;
        `feather` float32 [count]: width of its soft edge, patch pixels, all inside the polygon;
        `opacity` float32 [count]: 0..1, for fades in time.
    """

    chunk: int
    face: str
    """Name of the face, as in `Cast`; never in a key."""
    offset: int
    """First frame, counted from the chunk's start."""
    count: int
    width: int
    height: int
    pixels: Ref
    placement: Ref


ScoreMeasure = Literal["viseme-agreement", "renderer-obedience", "syncnet", "stable-syncnet"]
"""How well lips follow phones. Where those very phones moved the lips it proves that the renderer did as it
was told, and no more. `syncnet`: how well they follow sound, by the confidence of SyncNet v2;
`stable-syncnet`: by the cosine of StableSyncNet, which LatentSync is trained against."""


class PictureScore(Frozen):
    """What drawing did to the picture of a cut, measured on the composited pixels.

    Colour differences are CIE 1976, in which about 2.3 is just noticeable.
    """

    seam: float
    """Colour difference that the mask's soft edge bridges: of the drawn to the filmed picture along its inner
    side, in 95 of 100 frames at most this."""
    lip_colour: float | None
    """Colour difference of the drawn to the filmed lips, median of frames; None where none were found."""
    sharpness: float
    """Detail of the drawn over that of the filmed picture under the mask, median of frames; 1 = kept."""
    shape: float | None = None
    """Share by which the drawn jaw is wider or narrower than the filmed one, see `loc.analysis.likeness`;
    None where no face was found."""
    jitter: float | None
    """Trembling of the lips over that of eyes and nose while the drawn mouth rests; 1 = as calm as the head.
    None where it does not rest."""
    at_rest: float | None = None
    """How far open the drawn lips are where they should rest, over the face's scale, median of frames; None
    where they never should."""
    outside: int
    """Largest change of any sample outside the mask, in code values: 0."""


class Score(Frozen):
    """How well the lips of one face follow speech; see `loc.analysis.agreement`, `loc.analysis.sync`."""

    measure: ScoreMeasure
    value: float | None = None
    """Correlation of seen and expected movement at the best lag, -1..1; of `syncnet` the confidence, by how
    much the least distance lies under the median of all lags; of `stable-syncnet` the largest mean cosine,
    -1..1. None where it is unscored."""
    offset: int | None = None
    """That lag in frames; above 0 the lips are late."""
    offset_ms: float | None = None
    n: int = 0
    """Frames of speech in which lips were compared; of `syncnet` windows of five frames, of `stable-syncnet`
    of sixteen."""
    closures: int = 0
    """Closures of the lips among them."""
    p: float | None = None
    """Share of random movements of the same rhythm that agree as well."""
    confidence: float | None = None
    """The value over the median of all lags."""
    distance: float | None = None
    """Of `syncnet`: the least mean distance of lips and sound."""
    unscored: str | None = None
    """Why there is no value."""
    picture: PictureScore | None = None
    beside: tuple[Score, ...] = ()
    """What other networks say, each in its own measure: never compared with this one."""


class Cut(Frozen):
    """A frame range of one shot with one face situation: what a person reviews."""

    shot: int
    frames: FrameRange
    route: Literal["draft", "final", "passthrough"]
    reasons: tuple[Reason, ...]
    """Why it passes through; or why it got a final, or did not get one that was to be."""
    backend: str | None
    model: str | None = None
    """Id of the weights that drew it, where its backend loads one of several."""
    face: str | None
    """Name of the face, as in `Cast`; None where there is none. Cuts of two faces of a shot may share
    frames."""
    speaker: str | None
    """Who speaks longest in the dub during the cut: of this face where it is drawn, else of all."""
    drawn_frames: int
    """Frames that a backend drew; the rest of the cut keeps the source's pixels."""
    skipped_frames: int
    """Frames inside the speech of a routed cut that kept the source's pixels all the same."""
    score: Score | None
    """None where nothing was drawn."""
    draft_score: Score | None = None
    """Of the draft, where a final took its place."""


class CutSpent(Frozen):
    """How long a device computed for a cut, whenever that was, seconds; 0 where no device is metered."""

    cut: int
    """Counted from 1."""
    draft: float
    final: float
    """Of all takes, those that were dropped among them."""


class LipSync(Frozen):
    schema_version: Literal[2] = 2
    cast: Cast = Cast(faces=(), castings=())
    cuts: tuple[Cut, ...]
    patches: tuple[PatchTrack, ...]
    spent: tuple[CutSpent, ...] = ()
    """Of cuts for which a device was metered. For the report of a run alone, never in a key."""
    drafter: str | None = None
    """`lipsync/NAME` or `lipsync/NAME:MODEL` of what drew the drafts: another may stand in for the
    chosen one. None where nothing was drawn. For the report alone, never in a key."""


class Still(Frozen):
    """A cut as it was and as it became, for people to look at. WebP, turned upright, square pixels."""

    frames: FrameRange
    """The cut's."""
    face: str | None
    """The cut's."""
    frame: int
    """The frame shown, an index of the source."""
    before: Ref
    after: Ref | None
    """The same part of the same frame in the finished picture; None where the cut was not drawn."""


class Evidence(Frozen):
    """What the report's page shows of picture and sound."""

    stills: tuple[Still, ...]
    source_peaks: tuple[Ref, ...]
    """Of each block of the source's sound: uint8, 255 * sqrt(peak) of each 1 / `PEAKS_PER_SECOND` s."""
    dub_peaks: tuple[Ref, ...]


Container = Literal["mp4", "mkv", "webm"]
"""What outputs are kept in; also their suffix."""

Codec = Literal["h264", "hevc", "vp9"]
"""What pictures are coded as."""


class Render(Frozen):
    schema_version: Literal[1] = 1
    language: str
    media: Ref
    container: Container
    subtitles: Ref
    """SubRip, UTF-8."""
    evidence: Evidence | None = None
    """None where no page is wanted."""
