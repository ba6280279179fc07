package retrieval

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/live"
	"github.com/sqlaudit/bun/internal/model"
	"github.com/sqlaudit/bun/sink"
)

// incomplete returns those of the rows that have to be recorded.
func (b *baseline) incomplete(ctx context.Context, db bun.IDB, rows []live.Row) ([]live.Row, error) {
	if b.All {
		return rows, nil
	}
	keys := make([]string, len(rows))
	for i := range rows {
		keys[i] = rows[i].CanonicalKey()
	}
	complete, err := b.complete(ctx, db, keys)
	if err != nil {
		return nil, err
	}
	var out []live.Row
	for i, key := range keys {
		if !complete[key] {
			out = append(out, rows[i])
		}
	}
	return out, nil
}

// complete says of which keys the rows are on record as a whole: since the last
// event that says so the row wasn't deleted, and didn't get another key, and the
// table didn't become uncertain.
func (b *baseline) complete(ctx context.Context, db bun.IDB, keys []string) (map[string]bool, error) {
	q := *b.query
	q.db = db
	whole, deleted, err := q.latest(ctx, isKey, keys)
	if err != nil {
		return nil, err
	}
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return whole[key] <= max(deleted[key], b.blind) })
	if len(keys) == 0 {
		return nil, nil
	}
	moved, _, err := q.latest(ctx, wasKey, keys)
	if err != nil {
		return nil, err
	}
	complete := make(map[string]bool, len(keys))
	for _, key := range keys {
		complete[key] = whole[key] > moved[key]
	}
	return complete, nil
}

// latest returns the numbers of the last events that have the keys in the column,
// by key: of those that say what the whole row is, and of deletions; in the column
// old_key of any.
func (q *query) latest(ctx context.Context, column keyColumn, keys []string) (last, deleted map[string]int64, err error) {
	sel := q.ofKeys(column, q.allVariants(keys)).ColumnExpr("e.? AS under_key", bun.Ident(column.name)).GroupExpr("e.?", bun.Ident(column.name))
	if column == isKey {
		sel = sel.ColumnExpr("max(CASE e.op WHEN 'delete' THEN 0 ELSE e.seq END) AS last").
			ColumnExpr("max(CASE e.op WHEN 'delete' THEN e.seq ELSE 0 END) AS deleted").
			Where("e.op IN ('insert', 'snapshot') OR e.op = 'delete' AND NOT e.soft")
	} else {
		sel = sel.ColumnExpr("max(e.seq) AS last, 0 AS deleted")
	}
	var rows []struct {
		Under   eventrow.JSON `bun:"under_key"`
		Last    int64         `bun:"last"`
		Deleted int64         `bun:"deleted"`
	}
	if err := sel.Scan(ctx, &rows); err != nil {
		return nil, nil, fmt.Errorf("read events: %w", q.explain(err))
	}
	last, deleted = make(map[string]int64, len(rows)), map[string]int64{}
	for _, r := range rows {
		key, _, err := q.readKey(r.Under)
		if err != nil {
			return nil, nil, err
		}
		last[key], deleted[key] = max(last[key], r.Last), max(deleted[key], r.Deleted)
	}
	return last, deleted, nil
}

// snapshot writes the events of rows.
func (b *baseline) snapshot(ctx context.Context, tx bun.Tx, rows []live.Row) error {
	if len(rows) == 0 {
		return nil
	}
	events, err := b.image.events(ctx, rows)
	if err != nil {
		return err
	}
	return b.events.InsertMany(ctx, tx.NewSelect().DB(), tx, eventrow.Batches(events))
}

// image makes events of rows as they are. It writes their JSON itself: what
// encoding/json takes for it is a good part of the time that a baseline takes.
type image struct {
	model   *model.Model
	hashKey []byte
	columns []imageColumn // in the order of their names
}

// imageColumn is a tracked column: its name as JSON, and its place in the model.
type imageColumn struct {
	name string
	at   int
	mask sink.Mask
}

func newImage(m *model.Model, hashKey []byte) *image {
	im := &image{model: m, hashKey: hashKey}
	for i, c := range m.Columns {
		im.columns = append(im.columns, imageColumn{name: eventrow.Member(c.Field.Name), at: i, mask: c.Mask})
	}
	slices.SortFunc(im.columns, func(a, b imageColumn) int {
		return strings.Compare(m.Columns[a.at].Field.Name, m.Columns[b.at].Field.Name)
	})
	return im
}

// events makes the events of rows.
func (im *image) events(ctx context.Context, rows []live.Row) ([]eventrow.Row, error) {
	events := make([]eventrow.Row, len(rows))
	shared, err := eventrow.FromEvent(&newEvents(ctx, im.model, sink.Snapshot, 1)[0])
	if err != nil {
		return nil, err
	}
	size := 0
	for i := range rows {
		e := &events[i]
		*e = shared
		e.ID, e.Soft, e.Key = newID(), rows[i].Deleted, eventrow.JSON(rows[i].CanonicalKey())
		if len(im.columns) > 0 {
			e.Changes = im.appendChanges(make([]byte, 0, size), rows[i].Columns)
			size = len(e.Changes)
		}
	}
	return events, nil
}

// appendChanges appends the JSON of the changes that have made a row.
func (im *image) appendChanges(b []byte, values []json.RawMessage) []byte {
	sep := byte('{')
	for _, c := range im.columns {
		b = append(append(append(b, sep), c.name...), ":{"...)
		sep = ','
		value := values[c.at]
		if c.mask == sink.Hashed {
			value = model.Hash(im.hashKey, value)
		}
		if c.mask != sink.Redacted {
			b = append(append(b, `"new":`...), value...)
		}
		switch c.mask {
		case sink.Hashed:
			b = append(b, `,"mask":"hash"`...)
		case sink.Redacted:
			b = append(b, `"mask":"redact"`...)
		}
		b = append(b, '}')
	}
	return append(b, '}')
}
