"""As yardstick.py, with filters on import and export of every session: one prefix match and one community match that no route of the yardstick fits."""
import importlib.util
import os

_spec = importlib.util.spec_from_file_location('yardstick_open', os.path.join(os.path.dirname(os.path.abspath(__file__)), 'yardstick.py'))
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)

NAME = 'podroute-filters'
version = base.version

MARTIANS = ['0.0.0.0/8', '10.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16', '224.0.0.0/3']
PREFIXES = '{ prefixes: [' + ', '.join(f"{{ cidr: {m}, min: {m.split('/')[1]}, max: 32 }}" for m in MARTIANS) + '], action: Reject }'
COMMUNITY = "{ communities: { any: ['64496:6666'] }, action: Reject }"
OPEN = 'policy: { import: accept, export: accept }'
FILTERED = ('policy: { import: { filters: [wanted], default: accept }, export: { filters: [wanted], default: accept } }')


class Filtered:
    """The context of a run, in which the configuration is written with filters in it."""

    def __init__(self, ctx, rules):
        self._ctx = ctx
        self._rules = ', '.join(rules)

    def __getattr__(self, name):
        return getattr(self._ctx, name)

    def write(self, name, text):
        assert OPEN in text and not self._ctx.v6
        text = text.replace(OPEN, FILTERED)
        rules = f'importV4: [{self._rules}], exportV4: [{self._rules}]'
        return self._ctx.write(name, f'{text}---\napiVersion: podroute.io/v1\nkind: BGPFilter\nmetadata: {{ name: wanted }}\nspec: {{ {rules} }}\n')


def start(ctx):
    base.start(Filtered(ctx, [PREFIXES, COMMUNITY]))
