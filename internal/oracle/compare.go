package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// compare lists what the triggers and the audit disagree on.
func compare(r *record) []string {
	c := &comparison{txOf: map[string]string{}, xidOf: map[string]string{}, labels: map[string]string{}, txs: map[string]string{}}
	c.rows(r)
	c.grouping(r)
	c.replay(r)
	return c.found
}

type comparison struct {
	found []string

	txOf, xidOf map[string]string // the database's transactions and the events'
	labels, txs map[string]string // the program's and the events'
}

func (c *comparison) report(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// String is a change as one line.
func (ch *change) String() string {
	s := fmt.Sprintf("%s %s %s", ch.op, ch.table.name, ch.key)
	if ch.oldKey != "" {
		s += " was " + ch.oldKey
	}
	for _, name := range slices.Sorted(maps.Keys(ch.cols)) {
		d := ch.cols[name]
		s += fmt.Sprintf(", %s %s %s -> %s", name, d.mask, d.old, d.new)
	}
	return s
}

// histories are the changes of each row, under its key; one that changes the
// key is in the histories of both.
func histories(changes []change) map[string][]*change {
	out := map[string][]*change{}
	for i := range changes {
		ch := &changes[i]
		if ch.op == "truncate" { // of every row that there has been
			for k := range out {
				if strings.HasPrefix(k, ch.table.name+" ") && k != ch.table.name+" " {
					out[k] = append(out[k], ch)
				}
			}
		}
		add := func(key string) { out[ch.table.name+" "+key] = append(out[ch.table.name+" "+key], ch) }
		add(ch.key)
		if ch.oldKey != "" {
			add(ch.oldKey)
		}
	}
	return out
}

// rows compares the histories, change by change. Each change is in one, so that
// equal histories are equal records.
func (c *comparison) rows(r *record) {
	theirs, ours := histories(r.changes), histories(r.events)
	keys := map[string]bool{}
	for k := range theirs {
		keys[k] = true
	}
	for k := range ours {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		a, b := theirs[k], ours[k]
		for i := range max(len(a), len(b)) {
			if i < len(a) && i < len(b) && a[i].String() == b[i].String() {
				c.same(a[i], b[i])
				continue
			}
			c.report("row %s, change %d of its history:\n  triggers: %s\n  events:   %s", k, i+1, at(a, i), at(b, i))
			break // what follows is shifted
		}
	}
}

func at(history []*change, i int) string {
	if i >= len(history) {
		return "nothing more"
	}
	ch := history[i]
	return fmt.Sprintf("%s (transaction %s, of %q)", ch, ch.tx, ch.label)
}

// same notes that a change of one record is the one of the other: then so are
// their transactions.
func (c *comparison) same(theirs, ours *change) {
	if theirs.label != "" && theirs.label != ours.label {
		c.report("an event says that %q made a change that %q made: %s", ours.label, theirs.label, ours)
	}
	if theirs.tx == "" {
		return
	}
	if other, ok := c.txOf[theirs.tx]; ok && other != ours.tx {
		c.report("one transaction has the ids %s and %s in events: %s", other, ours.tx, ours)
	}
	if other, ok := c.xidOf[ours.tx]; ok && other != theirs.tx {
		c.report("two transactions have the id %s in events: %s", ours.tx, ours)
	}
	c.txOf[theirs.tx], c.xidOf[ours.tx] = ours.tx, theirs.tx
}

// grouping compares the transactions of the events with those of the program.
func (c *comparison) grouping(r *record) {
	for i := range r.events {
		e := &r.events[i]
		if e.label == "" {
			c.report("an event has lost its meta data: %s", e)
		}
		if other, ok := c.labels[e.label]; ok && other != e.tx {
			c.report("the transaction of %q has the ids %s and %s in events: %s", e.label, other, e.tx, e)
		}
		if other, ok := c.txs[e.tx]; ok && other != e.label {
			c.report("the transactions of %q and %q have one id in events: %s", other, e.label, e)
		}
		c.labels[e.label], c.txs[e.tx] = e.tx, e.label
	}
}

// replay plays the events from nothing, in the order of their table, and
// compares what comes out with the tables.
func (c *comparison) replay(r *record) {
	states := map[*table]map[string]row{}
	for _, t := range r.tables {
		states[t] = map[string]row{}
	}
	for i := range r.events {
		e := &r.events[i]
		if why := e.apply(states[e.table]); why != "" {
			c.report("replay: %s: %s (transaction %s, of %q)", why, e, e.tx, e.label)
		}
	}
	for _, t := range r.tables {
		live := map[string]row{}
		for k, v := range r.live[t] {
			live[k] = t.visible(v)
		}
		for _, k := range slices.Sorted(maps.Keys(live)) {
			switch have, ok := states[t][k]; {
			case !ok:
				c.report("replay: the row %s %s is missing", t.name, k)
			case !maps.Equal(have, live[k]):
				c.report("replay: the row %s %s is %v, and came out as %v", t.name, k, live[k], have)
			}
		}
		for k := range states[t] {
			if _, ok := live[k]; !ok {
				c.report("replay: the row %s %s should not be there", t.name, k)
			}
		}
	}
}

// visible is what events tell of a row, apart from its key.
func (t *table) visible(r row) row {
	out := row{}
	for _, col := range t.columns {
		if col.tracked && col.mask != "redact" {
			out[col.name] = col.masked("", r[col.name]).new
		}
	}
	return out
}

// apply changes the state of a table as an event says, and says what is wrong
// with that.
func (ch *change) apply(state map[string]row) (wrong string) {
	if ch.op == "truncate" {
		clear(state)
		return ""
	}
	before := ch.key
	if ch.oldKey != "" {
		before = ch.oldKey
	}
	r, exists := state[before]
	if exists == (ch.op == "insert") {
		return fmt.Sprintf("whether the row is there: %t", exists)
	}
	next := row{}
	maps.Copy(next, r)
	var bad []string
	for name, d := range ch.cols {
		col, ok := ch.table.lookup(name)
		if !ok || col.mask == "redact" || col.key {
			continue
		}
		if ch.op != "insert" && r[name] != d.old {
			bad = append(bad, fmt.Sprintf("column %s was %s", name, r[name]))
		}
		next[name] = d.new
	}
	delete(state, before)
	if ch.op != "delete" {
		if _, taken := state[ch.key]; taken {
			bad = append(bad, "another row has the key")
		}
		state[ch.key] = next
	}
	return strings.Join(bad, "; ")
}
