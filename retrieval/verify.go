package retrieval

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"

	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// VerifyOptions say how [Query.Verify] works. The zero value is good for any
// model.
type VerifyOptions struct {
	// HashKey is the hook's, for columns tagged audit:hash. Without it they are
	// not compared.
	HashKey []byte

	// Progress is called now and then. Nil: nobody is told.
	Progress func(Progress)
}

// Progress is how far a long work is.
type Progress struct {
	// Rows is how many rows have been done.
	Rows int64
}

// A Finding is a row of which history and table say different things: somebody
// has changed it behind the hook's back, or before it was audited.
type Finding struct {
	Kind FindingKind
	Key  sink.Values

	// Fields are the columns that differ, of the kind Differs: Old is what
	// history says, New what the table has. A masked column has no values.
	Fields []FieldDiff

	// Last is the last event of the row that is on record, or the zero Event.
	Last sink.Event
}

// FindingKind is what is wrong with a row.
type FindingKind string

const (
	// Differs is a row whose values are others than its history says.
	Differs FindingKind = "differs"

	// Unknown is a row of the table that history doesn't know, or says to be no
	// more. Baseline records it.
	Unknown FindingKind = "unknown"

	// Missing is a row that the table doesn't have, though it was never deleted,
	// as history says.
	Missing FindingKind = "missing"
)

// String returns the finding for people to read, in several lines where fields
// differ. It shows values of the row.
func (f Finding) String() string {
	key, _ := canonicalKey(f.Key)
	return fmt.Sprintf("%s %s\n%s", f.Kind, key, Diff{Was: true, Is: true, Fields: f.Fields})
}

// Verify replays the history of the model and compares it with its table, which
// has to be in the same database. It gives every row in which they differ; what
// it gives nothing of is as history says. Keys narrow it down to some rows; other
// conditions can't be. The sequence ends after an error, which comes with the
// zero Finding.
//
// Masked columns can be compared with a hash key or not at all, and of a row
// that history knows in part only that part is compared.
//
// It reads the whole history of the table and the whole table, a page at a time,
// and locks nothing. Rows that change meanwhile are no findings: what looks like
// one is looked at again, row and history in one snapshot.
func (q *Query[M]) Verify(ctx context.Context, v VerifyOptions) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		err := q.verify(ctx, v, func(f Finding) error {
			if !yield(f, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Finding{}, err)
		}
	}
}

// verifier compares rows.
type verifier struct {
	*query
	VerifyOptions
	table  *live.Table
	wholes []found
	yield  func(Finding) error
	done   int64
}

func (q *query) verify(ctx context.Context, how VerifyOptions, yield func(Finding) error) error {
	if err := q.onlyKeys(ctx, false); err != nil {
		return err
	}
	if q.model == nil {
		return errors.New("retrieval: verify: a table without a model can't be compared: ask for it by For")
	}
	table, err := live.Load(ctx, q.db, q.model)
	if err != nil {
		return fmt.Errorf("retrieval: verify: %w", err)
	}
	v := &verifier{query: q, VerifyOptions: how, table: table, yield: yield}
	if q.keyed {
		for _, key := range q.keys {
			if err := v.again(ctx, key); err != nil {
				return err
			}
			v.progress(1)
		}
		return nil
	}
	if v.wholes, err = q.wholes(ctx); err != nil {
		return err
	}
	if err := v.history(ctx); err != nil {
		return err
	}
	return v.strangers(ctx)
}

func (v *verifier) progress(rows int) {
	v.done += int64(rows)
	if v.Progress != nil {
		v.Progress(Progress{Rows: v.done})
	}
}

// batchSize is how many rows are read at once.
const batchSize = 500

// history goes through all rows that history has heard of.
func (v *verifier) history(ctx context.Context) error {
	batch := map[string]*state{}
	var keys []string
	flush := func() error {
		err := v.compare(ctx, keys, batch)
		v.progress(len(keys))
		keys = keys[:0]
		clear(batch)
		return err
	}
	err := v.eachRow(ctx, endOfTime(), v.wholes, func(key string, s *state) error {
		if s.presence != there && s.presence != gone {
			return nil // it is a stranger, if it is there
		}
		own := s.clone()
		keys, batch[key] = append(keys, key), &own
		if len(keys) < batchSize {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// endOfTime is later than any event.
func endOfTime() time.Time { return time.Unix(math.MaxInt32*100, 0) }

func (v *verifier) compare(ctx context.Context, keys []string, states map[string]*state) error {
	found, err := v.rows(ctx, v.db, keys)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, suspect := v.judge(states[key], found[key]); suspect {
			if err := v.again(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// again looks at one row and its history in one snapshot, and reports it if they
// differ.
func (v *verifier) again(ctx context.Context, key string) error {
	var finding *Finding
	err := v.inSnapshot(ctx, func(ctx context.Context, one *query) error {
		wholes, err := one.wholes(ctx)
		if err != nil {
			return err
		}
		state, err := one.stateUpTo(ctx, one, key, math.MaxInt64, wholes)
		if err != nil {
			return err
		}
		rows, err := v.rows(ctx, one.db, []string{key})
		if err != nil {
			return err
		}
		if f, differs := v.judge(state, rows[key]); differs {
			finding = &f
		}
		return nil
	})
	if err != nil || finding == nil {
		return err
	}
	return v.yield(*finding)
}

// inSnapshot calls do with the query in a transaction that sees one moment.
func (q *query) inSnapshot(ctx context.Context, do func(context.Context, *query) error) error {
	var options *sql.TxOptions
	if q.dialect() != dialect.SQLite { // whose transactions are all like that
		options = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return q.db.RunInTx(ctx, options, func(ctx context.Context, tx bun.Tx) error {
		one := *q
		one.db = tx
		return do(ctx, &one)
	})
}

// rows reads the rows with the keys, as far as they are there.
func (v *verifier) rows(ctx context.Context, db bun.IDB, keys []string) (map[string]*live.Row, error) {
	values := make([]sink.Values, len(keys))
	for i, key := range keys {
		values[i] = unheardOf(key).key
	}
	rows, err := v.table.ByKeys(ctx, db, values, "")
	if err != nil {
		return nil, fmt.Errorf("retrieval: verify: read rows: %w", err)
	}
	found := make(map[string]*live.Row, len(rows))
	for i := range rows {
		found[rows[i].CanonicalKey()] = &rows[i]
	}
	return found, nil
}

// judge says in what a row is other than its history tells. row is nil where
// the table doesn't have it.
func (v *verifier) judge(s *state, row *live.Row) (Finding, bool) {
	f := Finding{}
	if s.last != nil {
		f.Last = s.last.Event
	}
	switch {
	case row == nil:
		f.Kind, f.Key = Missing, s.key
		return f, s.presence == there
	case s.presence != there:
		f.Kind, f.Key = Unknown, row.KeyValues()
		return f, true
	}
	f.Kind = Differs
	for i, c := range v.model.Columns {
		name := c.Field.Name
		k, ok := s.columns[name]
		is := row.Columns[i]
		switch {
		case !ok, k.raw == nil: // unknown, redacted or erased
			continue
		case k.mask == sink.Hashed:
			if v.HashKey == nil {
				continue
			}
			is = model.Hash(v.HashKey, is)
		}
		if string(k.raw) == string(is) {
			continue
		}
		d := FieldDiff{Field: name, Mask: k.mask}
		if k.mask == sink.Unmasked {
			d.OldJSON, d.NewJSON = k.raw, is
			d.Old, d.New = decode(v.model, name, k.raw), decode(v.model, name, is)
		}
		f.Fields = append(f.Fields, d)
	}
	if len(f.Fields) > 0 {
		f.Key = row.KeyValues()
	}
	return f, len(f.Fields) > 0
}
