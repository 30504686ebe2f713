"""What a seed stands for: who there is, what goes wrong, and when the processes die."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.simulation.loop import START
from tests.simulation.people import Chat
from tests.simulation.server.fates import REFUSALS, Trouble

THEMES = ("calm", "chats", "chats", "net", "polls", "kills", "state", "mixed", "mixed")
"""What kinds of trouble a run has; `calm` and `chats` leave alone who is in a chat without trouble."""
WITH_CHATS = (
    *("hold", "hold", "errors", "mute", "refusals", "refusals", "unparsable"),
    *("file errors", "file stalls", "edits refused", "move"),
)
WITH_EVERYBODY = ("net", "net", "outage")
WITH_POLLS = ("polls", "polls", "unauthorized")
WITH_SQLITE = ("database or disk is full", "database is locked", "disk I/O error")
WITH_REDIS = ("redis away", "redis forgets")
PACE = 1.5
"""Seconds between two photos of one person: a little slower than the bot takes them, since what waited for it is let in
in any order."""
DAMAGE = (b"", b"\0" * 100, b"SQLite format 3\0" + b"\xff" * 84, b"<html>not a database</html>")
"""What the start of a damaged file is."""


@dataclass
class Plan:
    seed: int
    chats: list[Chat]
    troubles: list[Trouble]
    actions: int
    busy: float = 20.0
    """Seconds in which people act, and in which things go wrong."""
    webhook: bool = False
    redis: bool = False
    replicas: int = 1
    channel_posts: bool = False
    kills: list[int] = field(default_factory=list)
    """Numbers of calls, answers and jobs of threads at which a process dies."""
    stops: list[float] = field(default_factory=list)
    """Seconds after which a process gets SIGTERM."""
    kill_when_confirmed: float = 0.0
    """Probability that a process dies right after Telegram has forgotten a photo that is not answered."""
    damage: bytes | None = None
    """What the state's files begin with after the first death."""
    poison: bool = False
    flood: bool = False
    slots: int = 16
    """MAX_IN_FLIGHT: with few, one chat soon makes others wait."""
    burst: float | None = None
    """When somebody sends as many photos as they may at once: right before the state is in trouble."""
    burst_color: str = "red"
    burst_kill: float | None = None
    """Seconds after the burst at which a process dies: what comes again has been let in before."""
    forget_in_look: int | None = None
    """The number of the photo during whose decoding Redis forgets everything."""
    forget_kill: float | None = None
    """Seconds after that at which a process dies."""
    albums: int = 0
    """Albums in groups, where a photo that waits for the one with the mention is no answered update."""
    comments: bool = False
    """People write a text right behind a photo."""
    crowd: int = 0
    """People who send a photo each while the first chat is held: more than Telegram shows of its queue at a time."""
    pile: int = 0
    """Photos that one person sends one by one while the bot gets no updates: then they all come at once."""

    @property
    def is_fair(self) -> bool:
        """Nothing goes wrong but with single chats: all others are answered at once."""
        alone = all(trouble.chat is not None for trouble in self.troubles)
        deaths = self.kills or self.stops or self.poison or self.kill_when_confirmed or self.burst_kill
        return alone and not (deaths or self.forget_in_look)

    def __str__(self) -> str:
        way = f"{'webhook' if self.webhook else 'polling'}, {'Redis' if self.redis else 'SQLite'} x{self.replicas}"
        wrong = [f"{t.kind} {t.chat or ''} {t.start - START:.0f}-{t.end - START:.0f} s" for t in self.troubles]
        deaths = f"{len(self.kills)} kills, {len(self.stops)} stops" if self.kills or self.stops else "no kills"
        return f"seed {self.seed}: {way}, {len(self.chats)} chats, {deaths}; {'; '.join(wrong) or 'no trouble'}"


def draw_plan(seed: int) -> Plan:
    rng = Random(f"{seed} plan")
    webhook, redis = rng.random() < 0.4, rng.random() < 0.35
    theme = rng.choice(THEMES)
    if theme == "polls":
        webhook = False
    chats = _draw_chats(rng)
    busy = rng.choice((20.0, 40.0, 90.0))
    plan = Plan(
        seed=seed,
        webhook=webhook,
        redis=redis,
        replicas=2 if redis and webhook and rng.random() < 0.5 else 1,
        channel_posts=rng.random() < 0.5,
        chats=chats,
        troubles=[],
        actions=rng.randint(5, 30),
        busy=busy,
        poison=theme in ("kills", "mixed") and rng.random() < 0.1,
        flood=rng.random() < 0.1,
    )
    struck = rng.sample(chats, max(1, len(chats) // 2))
    if theme in ("chats", "mixed"):
        plan.troubles += [_draw_trouble(rng, rng.choice(WITH_CHATS), busy, chat) for chat in struck]
    if theme == "net" or (theme == "mixed" and rng.random() < 0.5):
        plan.troubles += [_draw_trouble(rng, rng.choice(WITH_EVERYBODY), busy) for _ in range(rng.randint(1, 2))]
    if theme == "polls" or (theme == "mixed" and rng.random() < 0.3):
        plan.troubles.append(_draw_trouble(rng, rng.choice(WITH_POLLS), busy))
    if theme == "state" or (theme == "mixed" and rng.random() < 0.5):
        kinds = WITH_REDIS if redis else WITH_SQLITE
        plan.troubles += [_draw_trouble(rng, rng.choice(kinds), busy) for _ in range(rng.randint(1, 2))]
    if theme == "kills" or (theme == "mixed" and rng.random() < 0.5):
        plan.kills = sorted(rng.sample(range(1, 400), rng.randint(1, 3)))
        plan.stops = [rng.uniform(0, busy) for _ in range(rng.randint(0, 2))]
        plan.kill_when_confirmed = rng.choice((0.0, 0.5))
        if not redis and rng.random() < 0.2:
            plan.damage = rng.choice(DAMAGE)
    if theme == "chats" and rng.random() < 0.1:
        plan.crowd = 130
        if rng.random() < 0.7:
            plan.webhook, plan.replicas = False, 1
        plan.troubles.append(Trouble("hold", START + 1, START + rng.choice((200.0, 200.0, 3600.0)), chats[0].number))
    state = [trouble.start - START for trouble in plan.troubles if trouble.kind in (*WITH_SQLITE, *WITH_REDIS)]
    if state and rng.random() < 0.5:
        plan.burst = max(0.0, min(state) - rng.uniform(0, 0.5))
        plan.burst_color = rng.choice(("red", "red", "cursed"))
    plan.albums = Random(f"{seed} albums").choice((0, 1, 1, 2, 3))
    plan.slots = 16 if plan.crowd else rng.choice((2, 4, 16))
    _draw_moments(Random(f"{seed} moments"), plan)
    return plan


def _draw_moments(rng: Random, plan: Plan) -> None:
    """What goes wrong at moments that chance alone would seldom hit."""
    plan.comments = rng.random() < 0.5
    if plan.redis and rng.random() < 0.3:
        plan.forget_in_look = rng.randint(1, 12)
        plan.forget_kill = rng.uniform(0.01, 0.08) if rng.random() < 0.8 else None  # before the answer is noted
    is_state_well = not any(trouble.kind in (*WITH_SQLITE, *WITH_REDIS) for trouble in plan.troubles)
    if not plan.webhook and rng.random() < 0.03 and is_state_well:  # else they are let in in any order
        plan.pile = rng.randint(60, 120)
        plan.troubles.append(Trouble("polls", START + 1, START + PACE * plan.pile))
    if plan.redis and not plan.webhook and plan.burst is None and rng.random() < (0.7 if plan.kills else 0.2):
        plan.burst, plan.burst_kill = rng.uniform(0, plan.busy), rng.uniform(0.05, 0.5)


def _draw_chats(rng: Random) -> list[Chat]:
    private = [Chat(7 + number, (7 + number,)) for number in range(rng.randint(2, 7))]
    groups = [Chat(-50 - number, (100 + 2 * number, 101 + 2 * number)) for number in range(rng.randint(0, 2))]
    channels = [Chat(-2_000_001, (200,))] if rng.random() < 0.2 else []
    return [*private, *groups, *channels]


def _draw_trouble(rng: Random, kind: str, busy: float, chat: Chat | None = None) -> Trouble:
    start = START + rng.uniform(0, busy * 0.7)
    length = rng.uniform(2, 60)
    strength = 1.0
    match kind:
        case "hold":
            length = rng.choice((3.0, 20.0, 20.0, 60.0, 60.0, 60.0, 200.0, 200.0, 700.0))
        case "net":
            strength = rng.choice((0.05, 0.2, 0.5))
        case "polls" | "unauthorized":
            length, strength = rng.uniform(2, 20), rng.choice((0.3, 1.0))
            start = max(start, START + 1)  # a token that Telegram has never known is believed to be wrong
        case "unparsable" | "refusals" | "edits refused":
            length, strength = rng.uniform(20, 120), rng.choice((0.4, 1.0))
    status, text = rng.choice(REFUSALS)
    return Trouble(kind, start, start + length, chat.number if chat else None, strength, status, text)
