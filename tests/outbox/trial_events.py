"""What is said in a trial, and the judge: what PagerDuty must show of it in the end."""

import random
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Said:
    """One event: the ``number``-th of its key."""

    key: str
    number: int
    action: str

    @property
    def summary(self):
        return f"{self.key} #{self.number}"

    def event(self):
        """Return it as ``prepare_event_data`` makes one."""
        payload = {
            "summary": self.summary,
            "severity": "error",
            "source": "trial",
            "custom_details": {"number": self.number},
        }
        return {"event_action": self.action, "dedup_key": self.key, "payload": payload}


def conversation(keys, each, seed, *, prefix="key"):
    """Return what is said about some keys, triggers and resolves mixed, in an order that keeps each key's own.

    :param each: how many events of each key.
    """
    chance = random.Random(seed)
    order = [f"{prefix}-{number:03}" for number in range(keys)] * each
    chance.shuffle(order)
    numbers, said = defaultdict(int), []
    for key in order:
        number = numbers[key]
        numbers[key] += 1
        action = "trigger" if number == 0 or chance.random() < 0.6 else "resolve"
        said.append(Said(key, number, action))
    return said


def deal(said, processes):
    """Return what each process says: all of a key comes from one, as a run's callbacks follow each other."""
    keys = {key: number % processes for number, key in enumerate(sorted({each.key for each in said}))}
    return [[each for each in said if keys[each.key] == process] for process in range(processes)]


@dataclass(slots=True)
class Verdict:
    """What became of what was said.

    :param wrong: keys whose alert does not stand as the last event has it.
    :param lost: events that PagerDuty never had, and that no later trigger of the same alert stands for.
    :param doubled: alerts that nobody's events call for.
    :param disordered: events that arrived after a later one of their key.
    :param repeated: events that arrived once more, in their place: PagerDuty shows nothing of it.
    """

    events: int = 0
    alerts: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    repeated: int = 0


def judge(said, pagerduty, excused=()):
    """Compare what was said with what an account shows.

    :param excused: what was said and is known to be gone.
    """
    arrived = defaultdict(list)
    for event in pagerduty.events:
        number = event.body["payload"]["custom_details"]["number"]
        arrived[event.dedup_key].append((number, event.action))
    alerts = defaultdict(list)
    for alert in (alert for incident in pagerduty.incidents for alert in incident.alerts):
        alerts[alert.dedup_key].append((alert.status, alert.summary))
    by_key = defaultdict(list)
    for each in said:
        by_key[each.key].append(each)
    verdict = Verdict(len(said), sum(len(each) for each in alerts.values()))
    unknown = sorted(set(arrived) - set(by_key))
    verdict.doubled += [f"{key}, of which nothing was said" for key in unknown]
    gone = set(excused)
    for key, whole in by_key.items():
        _judge_key([each for each in whole if each not in gone], arrived[key], alerts[key], verdict)
    return verdict


def _judge_key(said, arrived, alerts, verdict):
    actions = {each.number: each.action for each in said}
    there = {number for number, action in arrived if actions.get(number, action) == action}
    for index, each in enumerate(said):
        if not _stands(each, said[index:], there):
            verdict.lost.append(f"{each.summary} ({each.action})")
    latest = -1
    for number, _ in arrived:
        if number < latest:
            verdict.disordered.append(f"#{number} after #{latest} of {said[0].key if said else '?'}")
        verdict.repeated += number == latest
        latest = max(latest, number)
    called_for, is_open = 0, False
    for each in said:
        called_for += each.action == "trigger" and not is_open
        is_open = each.action == "trigger"
    if len(alerts) > called_for:
        verdict.doubled.append(f"{len(alerts) - called_for} more than {called_for} of {said[0].key}")
    shown = [summary for status, summary in alerts if status != "resolved"]
    wanted = [said[-1].summary] if is_open else []
    if shown != wanted:
        verdict.wrong.append(f"open are {shown}, not {wanted}")


def _stands(each, later, there):
    """Say whether an event arrived, or one that stands for it: a trigger with nothing but triggers between."""
    for other in later:
        if other.action != each.action or (each.action == "resolve" and other is not each):
            return False
        if other.number in there:
            return True
    return False
