package oracle

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Program is what a seed stands for: blocks of statements, in the order in
// which they are run where there is one client.
type Program struct {
	Seed   uint64
	tables []*table
	blocks []block
}

// place is where the statements of a block run.
type place string

const (
	onPool      place = "pool"
	onConn      place = "conn"
	inRunInTx   place = "RunInTx"
	inBeginTx   place = "BeginTx"
	inConnTx    place = "conn.BeginTx"
	inTxByHand  place = "conn, BEGIN by hand"
	inSharedTx  place = "BeginTx, used by two goroutines"
	neverCancel       = time.Duration(0)
)

func (p place) isTx() bool { return p != onPool && p != onConn }

// block is a stretch of work of one client.
type block struct {
	id        int
	client    int
	place     place
	isolation sql.IsolationLevel
	rollback  bool          // at the end, instead of the commit
	stubborn  bool          // goes on after an error, and commits what is left
	cancel    time.Duration // when its context is cancelled
	setting   string        // for the transaction, on MariaDB for the connection; or ""
	mark      bool          // the transaction says its name to the oracle
	split     bool          // its statements may have an id each
	steps     []step
}

// step is a statement or, where nested is set, a savepoint with what is in it.
type step struct {
	seed   uint64
	table  *table
	kind   statementKind
	nested *savepoint
}

type savepoint struct {
	rollback bool
	steps    []step
}

// Options say how large a program is and what may happen to it.
type Options struct {
	Seed    uint64
	Blocks  int // per client; 0 is 20
	Clients int // 0 is 8
	// Interrupt cancels contexts on SQLite too. Its driver (modernc.org/sqlite
	// v1.38.0, stmt.query) loses a statement that has a row when its context
	// ends, and with it, for good, the lock on the database.
	Interrupt bool
	Kill      bool // connections are ended by the server now and then, where there is one
	// Moments is how often the clients pause, so that the tables can be looked at,
	// to ask the history later for what they were. Then transactions are reverted,
	// too.
	Moments int
	// Control is where the server takes orders to stop and start again, see
	// Restart. It does so once in the round; empty: it does not.
	Control string
}

func (o Options) withDefaults() Options {
	if o.Blocks == 0 {
		o.Blocks = 20
	}
	if o.Clients == 0 {
		o.Clients = 8
	}
	return o
}

// generate makes the program of a seed.
func generate(o Options, tables []*table, f flavour) *Program {
	r := rand.New(rand.NewPCG(o.Seed, 1))
	all := slices.Clone(tables)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	p := &Program{Seed: o.Seed, tables: all[:1+r.IntN(3)]}
	w := newWheel(kinds())
	for i := range o.Blocks * o.Clients {
		b := p.block(r, i, i%o.Clients, w, f)
		if f == (sqlite{}) && !o.Interrupt {
			b.cancel = neverCancel
		}
		p.blocks = append(p.blocks, b)
	}
	return p
}

// part is a stretch of the blocks.
type part struct{ start, end int }

// parts cuts the program at n random places.
func (p *Program) parts(r *rand.Rand, n int) []part {
	cuts := []int{0, len(p.blocks)}
	for range n {
		cuts = append(cuts, r.IntN(len(p.blocks)+1))
	}
	slices.Sort(cuts)
	var out []part
	for i, end := range cuts[1:] {
		out = append(out, part{cuts[i], end})
	}
	return out
}

func (p *Program) block(r *rand.Rand, id, client int, w wheel, f flavour) block {
	b := block{id: id, client: client, mark: chance(r, 50), rollback: chance(r, 20), stubborn: chance(r, 40)}
	b.place = pick(r, onPool, onPool, onPool, onConn, inRunInTx, inRunInTx, inBeginTx, inBeginTx, inConnTx, inTxByHand, inSharedTx)
	if f != (sqlite{}) && chance(r, 30) && b.place != inTxByHand {
		b.isolation = pick(r, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable)
	}
	if chance(r, 12) {
		b.cancel = time.Duration(50+r.IntN(6000)) * time.Microsecond
	}
	if f == (mariadb{}) && b.place == inConnTx && chance(r, 40) {
		b.setting = pick(r, "SET SESSION innodb_lock_wait_timeout = 0", fmt.Sprintf("SET SESSION max_statement_time = 0.00%d", 1+r.IntN(8))) // s
	}
	if f == (postgres{}) && b.place.isTx() && chance(r, 12) {
		limit := pick(r, "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
		b.setting = fmt.Sprintf("SET LOCAL %s = %d", limit, 1+r.IntN(8)) // ms
	}
	if b.place == inTxByHand && f != (postgres{}) {
		// The audit sees that a transaction is open, and not whether it is the
		// one that it saw before.
		b.mark, b.split = false, true
	}
	depth := 2
	if b.place == inTxByHand || b.place == inSharedTx || !b.place.isTx() {
		depth = 0
	}
	b.steps = p.steps(r, 1+r.IntN(5), depth, w)
	return b
}

func (p *Program) steps(r *rand.Rand, n, depth int, w wheel) []step {
	steps := make([]step, n)
	for i := range steps {
		if depth > 0 && chance(r, 20) {
			steps[i] = step{nested: &savepoint{rollback: chance(r, 40), steps: p.steps(r, 1+r.IntN(3), depth-1, w)}}
			continue
		}
		steps[i] = step{seed: r.Uint64(), table: p.tables[r.IntN(len(p.tables))], kind: w.pick(r)}
	}
	return steps
}

// wheel picks kinds by their weights.
type wheel struct {
	kinds []statementKind
	total int
}

func newWheel(kinds []statementKind) wheel {
	w := wheel{kinds: kinds}
	for _, k := range kinds {
		w.total += k.weight
	}
	return w
}

func (w wheel) pick(r *rand.Rand) statementKind {
	at := r.IntN(w.total)
	for _, k := range w.kinds {
		if at -= k.weight; at < 0 {
			return k
		}
	}
	panic("oracle: the weights don't add up")
}

// label names the transaction of a block, or the statement of one that has
// none.
func (b *block) label(path string) string {
	if b.place.isTx() && !b.split {
		return fmt.Sprintf("b%d", b.id)
	}
	return fmt.Sprintf("b%d.%s", b.id, path)
}

// String describes a block without its statements.
func (b *block) String() string {
	s := fmt.Sprintf("block %d, client %d, %s", b.id, b.client, b.place)
	if b.isolation != 0 && b.place.isTx() {
		s += ", " + b.isolation.String()
	}
	if b.rollback && b.place.isTx() {
		s += ", rolled back"
	}
	if b.setting != "" {
		s += ", " + b.setting
	}
	if b.stubborn {
		s += ", goes on after errors"
	}
	if b.cancel != neverCancel {
		s += ", cancelled after " + b.cancel.String()
	}
	return s
}

// describe writes the program out, with the statements as SQL.
func (w *World) describe(p *Program) string {
	var s strings.Builder
	for i := range p.blocks {
		b := &p.blocks[i]
		s.WriteString(b.String() + "\n")
		w.describeSteps(&s, p, b.steps, "  ")
	}
	return s.String()
}

func (w *World) describeSteps(s *strings.Builder, p *Program, steps []step, indent string) {
	for _, st := range steps {
		if st.nested != nil {
			end := "released"
			if st.nested.rollback {
				end = "rolled back"
			}
			s.WriteString(indent + "savepoint, " + end + "\n")
			w.describeSteps(s, p, st.nested.steps, indent+"  ")
			continue
		}
		if q := w.build(p, st, w.audited); q != nil {
			fmt.Fprintf(s, "%s[%s] %s\n", indent, st.kind.name, q)
		}
	}
}
