"""jinja2 as transformers sets it up for chat templates: what golden renderings and tests/parity/template.py are held to.

    Peer().render(template, variables)       {"text": ..., "spans": [[start, end], ...]} or {"error": ...}

The environment is that of transformers.utils.chat_template_utils, taken from there where it is installed, else made like
it; spans are those of its {% generation %} blocks, in bytes, and only there where it is installed."""
import json
import signal
import time
from datetime import datetime

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

try:
    from transformers.utils import chat_template_utils
except ImportError:
    chat_template_utils = None


class Tracker(jinja2.ext.Extension):
    """Stands in for transformers' where that is not installed; keeps no spans."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


class Clock:
    """Stands still at `seconds`, in UTC."""

    def __init__(self, seconds):
        self.seconds = seconds

    def now(self):
        return datetime(*time.gmtime(self.seconds)[:6])


def plain_environment(clock):
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Tracker, jinja2.ext.loopcontrols])
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    env.globals["raise_exception"] = refuse
    env.globals["strftime_now"] = lambda format: clock.now().strftime(format)
    return env


class TooLong(BaseException):
    pass


def too_long(_signal, _frame):
    raise TooLong()


class Peer:
    def __init__(self, now=None):
        clock = Clock(now) if now else datetime
        self.env = None
        if chat_template_utils:
            chat_template_utils.datetime = clock
        else:
            self.env = plain_environment(clock)
        signal.signal(signal.SIGALRM, too_long)

    def render(self, template, variables):
        blocks, indices = [], []
        signal.setitimer(signal.ITIMER_REAL, 5)
        try:
            if self.env:
                return {"text": self.env.from_string(template).render(**variables)}
            compiled = chat_template_utils._cached_compile_jinja_template(template)
            with compiled.environment.activate_tracker(blocks, indices):
                for block in compiled.generate(**variables):
                    blocks.append(block)
            text = "".join(blocks)
            text.encode()
        except TooLong:
            return {"error": "too long"}
        except BaseException as e:  # a template can make Python fail in any way
            return {"error": "%s: %s" % (type(e).__name__, e)}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return {"text": text, "spans": [[len(text[:a].encode()), len(text[:b].encode())] for a, b in indices]}
