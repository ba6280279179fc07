package bunaudit

import (
	"context"
	"database/sql/driver"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlaudit/bun/internal/replay"
	"github.com/sqlaudit/bun/internal/sqltext"
)

// REPLACE deletes the rows that stand in the way of its own by any unique index,
// and does not say which they were. So it is run once to learn which keys its
// rows have by each of those indexes, and undone; the rows that have them now are
// read; and it is run for good. A row that was read and is no longer there
// afterwards, or that one of the statement's own has come in the place of, was
// deleted; and so was a row of its own that a later one has pushed out.
//
// Where the database counts what it removes, the count has to be the same. Where it
// removes nothing the first time, once is enough.

// isReplace reports whether an INSERT deletes the rows that are in its way.
func isReplace(text string, s sqltext.Statement) bool {
	return s.Verb == sqltext.Replace ||
		s.Verb == sqltext.Insert && strings.HasSuffix(strings.ToUpper(s.Modifier.In(text)), "REPLACE")
}

// uniqueIndex are the columns of an index by which REPLACE finds rows. The name
// of each is an expression that it can be looked up by.
type uniqueIndex []column

// replacer is what the databases have each of their own for a REPLACE.
type replacer struct {
	*capture
	indexes []uniqueIndex
	// numbered is the index, from 1, whose keys the database may make up: ones that
	// no row has. 0: none.
	numbered int
	// blind says that there are unique indexes that rows can't be looked up by.
	blind bool
	hash  string // an expression for all columns of a row, or empty

	// gauge reads a number that grows with each row that is removed, and falls with
	// each that is inserted where net is true.
	gauge  func(ctx context.Context) (int, error)
	net    bool
	always bool // read it at every run, and not only in doubt
	// again makes the session what it was before the first run.
	again func(ctx context.Context) error
}

// replaced is what one run of a REPLACE has done.
type replaced struct {
	out  *outcome
	rows []replacingRow

	counted bool
	count   int // of the rows that were removed, perhaps with what triggers removed

	removed int // those that are accounted for
	pushed  int // of them, rows of its own
	same    int // of all, those that a row with the same values came in the place of
	changes []rowChange
	strange bool // a row has a key that was not looked up before
}

// replacingRow is a row of the statement's own, or one that it may remove.
type replacingRow struct {
	located
	keys []identity // by each index; nil where a column is NULL
	hash string
}

// standing are the rows that were found in the way, and the keys that were looked
// up for them.
type standing struct {
	rows   []replacingRow
	known  map[string]bool
	lookup map[string]bool
}

// replace records the statement. The outcome lacks the id of the last row.
func (r *replacer) replace(ctx context.Context) (*replaced, error) {
	before := &standing{known: map[string]bool{}, lookup: map[string]bool{}}
	var last *replaced
	for try := range maxRehearsals {
		if try > 0 && r.again != nil {
			if err := r.again(ctx); err != nil {
				return nil, err
			}
		}
		if err := r.save(ctx); err != nil {
			return nil, err
		}
		run, err := r.run(ctx, before, r.always || r.blind || try > 1)
		if err != nil {
			return nil, err
		}
		if r.settled(run, last) {
			run.out.changes = run.changes
			return run, r.release(ctx)
		}
		if try > 0 && r.blind {
			return nil, r.refused("it removes rows by a unique index on an expression")
		}
		if err := r.undo(ctx); err != nil {
			return nil, err
		}
		if err := r.readStanding(ctx, before, run.rows); err != nil {
			return nil, err
		}
		last = run
	}
	return nil, r.notRecorded("", errRaced)
}

// settled reports whether all the rows that a run has removed are known: because
// as many were, or because each row that could be was looked up, and no more were
// removed than by the run before.
func (r *replacer) settled(run, last *replaced) bool {
	switch {
	case run.counted && run.count == run.removed:
		return true
	case run.strange || r.blind || last == nil:
		return false
	case run.counted && last.counted: // a trigger removes rows as well
		return run.count-last.count == run.pushed-last.pushed
	}
	return !r.always
}

// run runs the statement, and finds out what it has done to the rows that were
// read before.
func (r *replacer) run(ctx context.Context, before *standing, count bool) (*replaced, error) {
	run := &replaced{counted: count}
	gauged := 0
	if count {
		var err error
		if gauged, err = r.gauge(ctx); err != nil {
			return nil, err
		}
	}
	returned, err := r.query(ctx, r.statement())
	if err != nil {
		return nil, err
	}
	if run.out, run.rows, err = r.splitRows(returned); err != nil {
		return nil, err
	}
	if count {
		now, err := r.gauge(ctx)
		if err != nil {
			return nil, err
		}
		run.count = now - gauged
		if r.net {
			run.count += len(run.rows)
		}
	}
	for _, row := range run.rows {
		for i, key := range row.keys {
			if key != nil && i != r.numbered-1 && !before.lookup[lookupKey(i, key)] {
				run.strange = true
			}
		}
	}
	return run, r.account(ctx, run, before)
}

// account tells which rows are gone.
func (r *replacer) account(ctx context.Context, run *replaced, before *standing) error {
	own := make(map[string]bool, len(run.rows))
	for _, row := range run.rows {
		own[row.identity.mapKey()] = true
	}
	var ask []identity
	for _, row := range before.rows {
		if !own[row.identity.mapKey()] {
			ask = append(ask, row.identity)
		}
	}
	if len(run.rows) > 1 {
		for _, row := range run.rows {
			ask = append(ask, row.identity)
		}
	}
	there := &images{}
	if len(ask) > 0 {
		var err error
		if there, err = r.read(ctx, r.selectByIdentity(ask)); err != nil {
			return err
		}
	}
	isThere := func(key string) bool { return len(run.rows) == 1 && own[key] || there.byIdentity[key] != nil }
	remove := func(row replacingRow) {
		run.changes = append(run.changes, rowChange{old: row.image})
		run.removed++
	}
	now := make(map[string]replacingRow, len(run.rows))
	for _, row := range before.rows {
		switch key := row.identity.mapKey(); {
		case own[key]:
			now[key] = row // up to when its successor comes
		case !isThere(key):
			remove(row)
		}
	}
	came := make(map[string]bool, len(run.rows))
	for _, row := range run.rows {
		key := row.identity.mapKey()
		if was, ok := now[key]; ok {
			remove(was)
			if came[key] {
				run.pushed++
			}
			if r.hash != "" && was.hash == row.hash {
				run.same++
			}
		}
		run.changes = append(run.changes, rowChange{new: row.image})
		now[key], came[key] = row, true
	}
	for _, row := range run.rows {
		if key := row.identity.mapKey(); came[key] && !isThere(key) {
			remove(now[key])
			run.pushed++
			came[key] = false
		}
	}
	return nil
}

// readStanding reads and locks the rows that have a key of one of these. It looks
// for all of them each time: where a transaction doesn't lock what isn't there, as
// at READ COMMITTED, a row may have come since the last time.
func (r *replacer) readStanding(ctx context.Context, before *standing, rows []replacingRow) error {
	for i, index := range r.indexes {
		var keys []identity
		asked := map[string]bool{}
		for _, row := range rows {
			if key := row.keys[i]; key != nil && !asked[lookupKey(i, key)] {
				asked[lookupKey(i, key)] = true
				keys = append(keys, key)
			}
		}
		maps.Copy(before.lookup, asked)
		if len(keys) == 0 {
			continue
		}
		result, err := r.selectRows(ctx, r.selectStanding(index, keys))
		if err != nil {
			return err
		}
		for _, values := range result.Rows {
			row, err := r.replacingRow(values)
			if err != nil {
				return err
			}
			if key := row.identity.mapKey(); !before.known[key] {
				before.known[key] = true
				before.rows = append(before.rows, row)
			}
		}
	}
	return nil
}

func lookupKey(index int, key identity) string { return strconv.Itoa(index) + "," + key.mapKey() }

func (r *replacer) selectStanding(index uniqueIndex, keys []identity) string {
	d, qualifier := r.registry.dialect, r.qualifier()
	names := make([]string, len(index))
	for i, col := range index {
		names[i] = col.name
	}
	b := []byte("SELECT ")
	if r.hash != "" {
		b = append(append(b, r.hash...), ", "...)
	}
	b = append(r.columns.appendList(b, qualifier), " FROM "+r.target()+" WHERE "...)
	b = d.in(b, names, keys)
	return string(append(b, d.lock(qualifier, true)...))
}

// statement is the statement with our columns in its RETURNING clause: the keys by
// each index, the hash, and the image.
func (r *replacer) statement() string {
	b := make([]byte, 0, len(r.text)+1024)
	b = r.appendReturningAnd(append(b, r.text[:r.stmt.End]...))
	for _, index := range r.indexes {
		for _, col := range index {
			b = append(col.expr(b, col.name), ", "...)
		}
	}
	if r.hash != "" {
		b = append(append(b, r.hash...), ", "...)
	}
	return string(r.columns.appendList(b, ""))
}

// splitRows takes the columns that statement has added off the result.
func (r *replacer) splitRows(result *replay.Result) (*outcome, []replacingRow, error) {
	ours := r.columns.width()
	if r.hash != "" {
		ours++
	}
	keyed := ours
	for _, index := range r.indexes {
		keyed += len(index)
	}
	at := len(result.Columns) - keyed
	if at < 0 {
		return nil, nil, r.notRecorded("", errFewColumns)
	}
	rows := make([]replacingRow, len(result.Rows))
	for i, values := range result.Rows {
		var err error
		values = values[at:]
		if rows[i], err = r.replacingRow(values[keyed-ours:]); err != nil {
			return nil, nil, err
		}
		for _, index := range r.indexes {
			var key identity
			if own := values[:len(index)]; !slices.Contains(own, nil) {
				for j, col := range index {
					text, err := col.literal(own[j])
					if err != nil {
						return nil, nil, r.notRecorded("", err)
					}
					key = append(key, text)
				}
			}
			rows[i].keys = append(rows[i].keys, key)
			values = values[len(index):]
		}
	}
	out := &outcome{affected: int64(len(rows))}
	if r.wantRows {
		out.returned = result.Head(keyed)
	}
	return out, rows, nil
}

// replacingRow decodes a row's hash, if there is one, and its image.
func (r *replacer) replacingRow(values []driver.Value) (row replacingRow, err error) {
	if r.hash != "" {
		hash, err := driverText(values[0])
		if err != nil {
			return row, r.notRecorded("", err)
		}
		row.hash, values = string(hash), values[1:]
	}
	if row.identity, row.image, err = r.columns.row(values); err != nil {
		return row, r.notRecorded("", err)
	}
	return row, nil
}
