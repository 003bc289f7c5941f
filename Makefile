# The whole set-up from a bare Debian machine with Node and root is inside these targets.
.PHONY: demo demo-down test check setup clean

# Two nodes, a top-of-rack router, pods that ping each other over BGP-learned routes. KEEP=1 leaves the lab up.
# With NODES=8 RACKS=2 RR=2 (any of them): a leaf-spine fabric, reflectors, nodes that share a Redis, and what happens when parts die.
# ROOTLESS=1 runs either in namespaces of its own without root, where the kernel allows that, after `make setup` by somebody who is.
demo:
	@$(if $(ROOTLESS),true,sh deploy/setup.sh demo)
ifneq ($(NODES)$(RACKS)$(RR),)
	@KEEP=$(KEEP) NODES=$(NODES) RACKS=$(RACKS) RR=$(RR) $(if $(ROOTLESS),sh deploy/rootless.sh) node_modules/.bin/node deploy/cluster-demo.ts
else
	@KEEP=$(KEEP) $(if $(ROOTLESS),sh deploy/rootless.sh) node_modules/.bin/node deploy/demo.ts
endif

# Takes down what KEEP=1 left up.
demo-down:
	@node_modules/.bin/node deploy/demo-down.ts

# Every test: unit, scenario, real namespaces, other daemons.
test:
	@sh deploy/setup.sh test
	@npm run --silent check
	@npm run --silent test:netns
	@npm run --silent test:containers
	@npm run --silent test:interop

# The inner loop: format, lint, import direction, types, unit and scenario tests.
check:
	@sh deploy/setup.sh demo
	@npm run --silent check

setup:
	@sh deploy/setup.sh test

clean:
	rm -rf build node_modules
