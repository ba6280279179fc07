# Needs Go, make and a C compiler. What else the checks need, they fetch and start themselves, and stop again.
# A server of yours is used instead where BUNAUDIT_TEST_POSTGRES, BUNAUDIT_TEST_MARIADB or BUNAUDIT_TEST_KAFKA names it: see compose.yaml.

# What to change on the command line, as in: make test SERVERS="-pg 18 -mariadb"
SERVERS ?= -pg 15 -pgbouncer -mariadb -kafka
FOR     ?= 30s
BENCH   ?= .
EVENTS  ?= 200000
BENCHED ?= -pg 15

# The packages that depend on the version of PostgreSQL, and the versions that make test runs them on besides SERVERS.
VERSIONED := ./bunaudit ./sink_sql ./internal/value ./internal/oracle ./internal/pgproxy
POSTGRES  ?= 13 18
SQLITE    := /^sqlite$$|//^sqlite$$|///^sqlite$$

# The oldest supported Bun is the one in go.mod; this is the newest.
BUN    := github.com/uptrace/bun
NEWEST := $(addprefix $(BUN)/,dialect/pgdialect@v1.3.0 dialect/sqlitedialect@v1.3.0 dialect/mysqldialect@v1.3.0 \
          driver/sqliteshim@v1.3.0 extra/bundebug@v1.3.0 driver/pgdriver@v1.2.18 extra/bunotel@v1.2.18) $(BUN)@v1.3.0

# The library's module, and those beside it that keep their dependencies out of it.
MODULES := $(sort $(patsubst %/,%,$(dir $(shell find . -name go.mod -not -path './.*' -not -path '*/testdata/*'))))
COMMAND := bunaudit/cmd/bunaudit
# SQLite is C that was translated to Go: how it uses memory of its own is no question of ours, and watching it costs more than half of the time that the
# tests take. Its driver is watched, which is where it gets and gives what is ours.
# Garbage is collected less often, there being enough memory, and lint has vetted what is tested. At the end of each process the detector waits 0.1 s
# and not 1 for goroutines that are left.
RACE    := GOGC=400 GORACE=atexit_sleep_ms=100 go test -race -count=1 -vet=off \
           -gcflags='modernc.org/...=-race=false' -gcflags='modernc.org/sqlite=-d=checkptr=0'
# What takes longest begins first, so that no processor is idle at the end.
PACKAGES := ./sink_kafka ./retrieval ./...
LINT    := go tool -modfile=$(CURDIR)/tools/go.mod golangci-lint
SERVER  := .build/server
SUBMAKE := $(MAKE) --no-print-directory

.PHONY: help test test-postgres test-postgres-all test-unit lint bench bench-growth bench-go bench-kafka fuzz soak examples example-kafka services-up services-down kafka-up kafka-down in-services in-postgres in-modules in-examples $(SERVER)
.NOTPARALLEL:
.DELETE_ON_ERROR:

help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' Makefile

test: export BUNAUDIT_TEST_REQUIRE = 1
test: lint .build/newest.mod .build/newest-command.mod $(SERVER) ## Everything: linters, tests on oldest and newest Bun with -race and on other PostgreSQLs, examples
	$(SERVER) run $(SERVERS) -- $(SUBMAKE) in-services
	$(SUBMAKE) test-postgres
	@echo "make test: all passed"

# A PostgreSQL that can't be started is a failure: nothing of it is skipped. Of the other databases nothing depends on its version.
# SQLite is left out, therefore. Two versions are tested at once, and what they say is printed when they have ended.
test-postgres: export BUNAUDIT_TEST_REQUIRE =
test-postgres: $(SERVER) ## What depends on the version of PostgreSQL, on POSTGRES="13 18"
	@mkdir -p .build
	@printf '%s\n' $(POSTGRES) | xargs -P 2 -I {} sh -c '$(SERVER) run -pg {} $(filter -pgbouncer,$(SERVERS)) -- $(SUBMAKE) in-postgres \
		> .build/postgres-{}.log 2>&1; code=$$?; cat .build/postgres-{}.log; exit $$code'

test-postgres-all: ## The same on PostgreSQL 13, 14, 15, 16, 17 and 18
	$(SUBMAKE) test-postgres POSTGRES="13 14 15 16 17 18"

in-postgres:
	go test -count=1 -vet=off -skip='$(SQLITE)' $(VERSIONED)
	go test -C internal/compat -count=1 ./...

# The other modules have little to do and wait a lot, beside the tests of this one. What they say is printed when both have ended.
in-services: in-examples
	@mkdir -p .build
	@go list -m $(BUN)
	$(SUBMAKE) in-modules > .build/modules.log 2>&1 & modules=$$!; $(RACE) $(PACKAGES); code=$$?; \
		wait $$modules || code=1; cat .build/modules.log; exit $$code
	@go list -m -modfile=.build/newest.mod $(BUN)
	$(RACE) -mod=mod -modfile=.build/newest.mod $(PACKAGES)
	go vet -C $(COMMAND) -mod=mod -modfile=$(CURDIR)/.build/newest-command.mod ./...

in-modules:
	for m in $(filter-out .,$(MODULES)); do (cd $$m && go test -count=1 -vet=off ./...) || exit; done

test-unit: ## The tests that need no server
	go test ./...

lint: ## go vet and the linters
	for m in $(MODULES); do (cd $$m && go vet ./... && $(LINT) run --allow-parallel-runners ./...) || exit; done

bench: FOR = 5m
bench: $(SERVER) ## What auditing costs on PostgreSQL beside triggers and handwork, in FOR=5m; ONLY= picks lines, INTO=docs/performance.md,README.md keeps the table
	@go build -o .build/bench ./internal/bench
	@$(SERVER) run $(BENCHED) -fsync -- .build/bench -for $(FOR) -only '$(ONLY)' -into '$(INTO)'

bench-growth: EVENTS = 0 1000000
bench-growth: $(SERVER) ## What a write and the common questions cost with EVENTS="0 1000000" in the table; KEEP=1 leaves them to the next run, INTO=docs/performance.md keeps the result
	@go build -o .build/bench ./internal/bench
	@$(SERVER) run $(BENCHED) -fsync -- .build/bench -growth '$(EVENTS)' $(if $(KEEP),-keep) -into '$(INTO)'

bench-go: $(SERVER) ## The Go benchmarks that match BENCH=., on a server that syncs to disk
	$(SERVER) run $(BENCHED) -fsync -- go test -run='^$$' -bench='$(BENCH)' -benchmem ./...

bench-kafka: $(SERVER) ## The relay beside kafka-go's bare Writer: EVENTS=200000 of a backlog, and the time from a commit to a consumer
	@$(SERVER) run -pg 15 -kafka -fsync -- go run ./internal/benchkafka -events $(EVENTS)

fuzz: $(SERVER) ## Each fuzz test for FOR=30s
	$(SERVER) run $(SERVERS) -- go run -C tools ./fuzz -for $(FOR) $(MODULES:%=../%)

soak: FOR = 1h
soak: $(SERVER) ## Random statements against triggers for FOR=1h, on DB=postgres, DB=sqlite, DB=mariadb or every database; VIA=kafka reads the record by way of Kafka
	@$(SERVER) run $(SERVERS) -control -- go run ./internal/oracle/soak -for $(FOR) -db '$(DB)' -via '$(VIA)'

examples: $(SERVER) ## Run every program in examples/: each ends by itself, with 0 if it is right
	$(SERVER) run $(SERVERS) -- $(SUBMAKE) in-examples

in-examples:
	go run -C tools ./examples ..

services-up: $(SERVER) ## Start SERVERS="-pg 15 -mariadb -kafka" in the background, and print the variables to export
	@$(SERVER) up $(SERVERS)

services-down: $(SERVER) ## Stop what services-up started
	@$(SERVER) down

example-kafka: $(SERVER) ## Start a broker, run examples/kafka, which prints the history as the mirror has it, and stop the broker
	@$(SERVER) run -pg none -kafka -- go run ./examples/kafka

kafka-up: $(SERVER) ## Start Apache Kafka alone in the background, and print the variables to export
	@$(SERVER) up -state .build/kafka -pg none -kafka

kafka-down: $(SERVER) ## Stop what kafka-up started
	@$(SERVER) down -state .build/kafka

# go.mod with the newest Bun, of the library and of the command, whose package cli is compiled with the user's. Made, not committed, so that
# they can't drift from go.mod.
.build/newest.mod: go.mod go.sum Makefile
	@mkdir -p .build
	@cp go.mod $@ && cp go.sum .build/newest.sum
	go get -modfile=$@ $(NEWEST)

.build/newest-command.mod: $(COMMAND)/go.mod $(COMMAND)/go.sum Makefile
	@mkdir -p .build
	@cp $< $@ && cp $(<D)/go.sum .build/newest-command.sum
	cd $(COMMAND) && go get -modfile=$(CURDIR)/$@ $(filter-out $(BUN)/extra%,$(NEWEST))

$(SERVER):
	@go build -C internal/testdb/server -o $(CURDIR)/$@ .
