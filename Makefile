# The whole set-up from a bare Debian machine with Node and root is inside these targets.
.PHONY: demo demo-down test check setup clean

# Two nodes, a top-of-rack router, pods that ping each other over BGP-learned routes. KEEP=1 leaves the lab up.
demo:
	@sh deploy/setup.sh demo
	@KEEP=$(KEEP) node_modules/.bin/node deploy/demo.ts

# Takes down what KEEP=1 left up.
demo-down:
	@node_modules/.bin/node deploy/demo-down.ts

# Unit, scenario and real namespaces (there with FRR and BIRD too). The table of other daemons, `npm run test:interop`, is being widened to
# five of them and is run by hand until every scenario in it passes.
test:
	@sh deploy/setup.sh test
	@npm run --silent check
	@npm run --silent test:netns
	@echo 'not run here: npm run test:interop (the table of daemons is being widened)'

# The inner loop: format, lint, import direction, types, unit and scenario tests.
check:
	@sh deploy/setup.sh demo
	@npm run --silent check

setup:
	@sh deploy/setup.sh test

clean:
	rm -rf build node_modules
