package retrieval_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

var hashKey = []byte("0123456789abcdef0123456789abcdef")

// Person has columns of every sort that matters to replaying.
type Person struct {
	bun.BaseModel `bun:"table:people,audit"`

	ID        int64 `bun:",pk,autoincrement"`
	Name      string
	Email     string  `bun:",audit:redact"`
	Phone     string  `bun:",audit:hash"`
	Nick      *string `bun:",nullzero"`
	Photo     []byte  `bun:",audit:-"`
	Tags      []string
	Born      time.Time
	DeletedAt time.Time `bun:",soft_delete,nullzero"`
}

func people(n int) []Person {
	rows := make([]Person, n)
	for i := range rows {
		rows[i] = Person{Name: fmt.Sprint("name ", i), Email: "e", Phone: fmt.Sprint(i), Tags: []string{"a"}, Born: start()}
	}
	return rows
}

func exec(t *testing.T, db bun.IDB, query string, args ...any) {
	t.Helper()
	_, err := db.NewRaw(query, args...).Exec(t.Context())
	require.NoError(t, err)
}

// findings are what Verify finds, one word each.
func findings(t *testing.T, q *retrieval.Query[Person], opts retrieval.VerifyOptions) []string {
	t.Helper()
	out := []string{}
	for f, err := range q.Verify(t.Context(), opts) {
		require.NoError(t, err)
		line := string(f.Kind) + " " + string(f.Key["id"])
		for _, d := range f.Fields {
			line += " " + d.Field
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func TestVerifyFindsWhatWasDoneBehindTheHooksBack(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Person)(nil))
		ctx := t.Context()
		rows := people(550)
		_, err := pool.NewInsert().Model(&rows).Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewUpdate().Model((*Person)(nil)).Set("name = ?", "new").Where("id < 5").Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewDelete().Model((*Person)(nil)).Where("id = 10").Exec(ctx) // softly
		require.NoError(t, err)
		_, err = pool.NewDelete().Model((*Person)(nil)).Where("id = 11").ForceDelete().Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewUpdate().Model((*Person)(nil)).Set("id = 5000").Where("id = 12").Exec(ctx)
		require.NoError(t, err)

		all := func() *retrieval.Query[Person] { return retrieval.For[Person](pool) }
		var seen int64
		opts := retrieval.VerifyOptions{HashKey: hashKey, Progress: func(p retrieval.Progress) { seen = p.Rows }}
		assert.Empty(t, findings(t, all(), opts))
		assert.Equal(t, int64(551+549), seen, "rows of history, and of the table")

		exec(t, db, "UPDATE people SET name = 'x', email = 'unseen', photo = NULL WHERE id = 7")
		exec(t, db, "UPDATE people SET phone = 'y' WHERE id = 8")
		exec(t, db, "DELETE FROM people WHERE id = 9")
		exec(t, db, "UPDATE people SET deleted_at = NULL WHERE id = 10")
		_, err = db.NewInsert().Model(&Person{ID: 11, Name: "back"}).Exec(ctx)
		require.NoError(t, err)
		_, err = db.NewInsert().Model(&Person{ID: 6000, Name: "new"}).Exec(ctx)
		require.NoError(t, err)
		want := []string{"differs 10 deleted_at", "differs 7 name", "differs 8 phone", "missing 9", "unknown 11", "unknown 6000"}
		assert.Equal(t, want, findings(t, all(), opts))
		assert.Equal(t, []string{"differs 7 name", "missing 9"}, findings(t, all().Keys(7, 9, 13, 5000), opts))
		assert.NotContains(t, findings(t, all(), retrieval.VerifyOptions{}), "differs 8 phone", "without the key")
		for f, err := range all().Key(7).Verify(ctx, opts) {
			require.NoError(t, err)
			assert.Equal(t, "name 6", f.Fields[0].Old)
			assert.Equal(t, "x", f.Fields[0].New)
			assert.Equal(t, sink.Insert, f.Last.Op)
			assert.Equal(t, "differs {\"id\":7}\nname: name 6 -> x\n", f.String())
		}
		for _, err := range all().Verify(ctx, opts) {
			require.NoError(t, err)
			break
		}
	})
}

func TestVerifyHasNoFindingsWhileRowsChange(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Person)(nil))
		rows := people(20)
		_, err := pool.NewInsert().Model(&rows).Exec(t.Context())
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		writer.Go(func() {
			for i := 0; ctx.Err() == nil && i < 500; i++ {
				id := rows[i%len(rows)].ID
				_, _ = pool.NewUpdate().Model((*Person)(nil)).Set("name = ?", fmt.Sprint(i)).Where("id = ?", id).Exec(ctx)
				if i%50 != 0 {
					continue
				}
				_, _ = pool.NewUpdate().Model((*Person)(nil)).Set("id = -id").Where("id = ?", id).Exec(ctx)
				_, _ = pool.NewUpdate().Model((*Person)(nil)).Set("id = -id").Where("id = ?", -id).Exec(ctx)
			}
		})
		for range 5 {
			assert.Empty(t, findings(t, retrieval.For[Person](pool), retrieval.VerifyOptions{HashKey: hashKey}))
		}
		stop()
		writer.Wait()
	})
}

func TestBaselineMakesHistoryComplete(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Person)(nil))
		ctx := bunaudit.WithReason(bunaudit.WithActor(t.Context(), sink.Actor{ID: "ops"}), "go live")
		rows := people(620)
		_, err := db.NewInsert().Model(&rows).Exec(ctx)
		require.NoError(t, err)
		exec(t, db, "UPDATE people SET deleted_at = born WHERE id = 3")
		_, err = pool.NewUpdate().Model((*Person)(nil)).Set("name = ?", "seen").Where("id = 1").Exec(ctx)
		require.NoError(t, err)
		all := func() *retrieval.Query[Person] { return retrieval.For[Person](pool) }
		assert.Len(t, findings(t, all(), retrieval.VerifyOptions{}), 619)
		_, err = all().Key(1).AsOf(ctx, time.Now())
		require.ErrorIs(t, err, retrieval.ErrIncomplete)

		_, err = all().Baseline(ctx, retrieval.BaselineOptions{})
		require.ErrorContains(t, err, "HashKey")
		short, cancel := context.WithCancel(ctx)
		opts := retrieval.BaselineOptions{HashKey: hashKey, BatchSize: 170, Progress: func(retrieval.Progress) { cancel() }}
		n, err := all().Baseline(short, opts)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, int64(170), n)
		var progress []int64
		opts.Progress = func(p retrieval.Progress) { progress = append(progress, p.Rows) }
		n, err = all().Baseline(ctx, opts)
		require.NoError(t, err)
		assert.Equal(t, int64(450), n, "it goes on where it was")
		assert.Equal(t, []int64{170, 340, 510, 620}, progress)
		n, err = all().Baseline(ctx, opts)
		require.NoError(t, err)
		assert.Zero(t, n)
		assert.Empty(t, findings(t, all(), retrieval.VerifyOptions{HashKey: hashKey}))

		row, err := all().Key(2).RowAsOf(ctx, time.Now())
		require.NoError(t, err)
		person, err := row.Model()
		require.NoError(t, err)
		assert.Equal(t, "name 1", person.Name)
		assert.True(t, person.Born.Equal(start()))
		assert.Equal(t, sink.Snapshot, row.Event.Op)
		assert.Equal(t, "ops", row.Event.Actor.ID)
		assert.Equal(t, "go live", row.Event.Reason)
		row, err = all().Key(3).RowAsOf(ctx, time.Now())
		require.NoError(t, err)
		assert.True(t, row.SoftDeleted)

		// What was hidden is taken over when every row is recorded again.
		exec(t, db, "UPDATE people SET name = 'hidden' WHERE id = 5")
		exec(t, db, "DELETE FROM people WHERE id = 600")
		_, err = pool.NewDelete().Model((*Person)(nil)).Where("id = 6").ForceDelete().Exec(ctx)
		require.NoError(t, err)
		_, err = db.NewInsert().Model(&Person{ID: 6, Name: "back"}).Exec(ctx)
		require.NoError(t, err)
		n, err = all().Baseline(ctx, opts)
		require.NoError(t, err)
		assert.Equal(t, int64(1), n, "of row 6 history says that it is gone")
		opts.All = true
		n, err = all().Baseline(ctx, opts)
		require.NoError(t, err)
		assert.Equal(t, int64(619), n)
		assert.Equal(t, []string{"missing 600"}, findings(t, all(), retrieval.VerifyOptions{HashKey: hashKey}))
	})
}

// Reading has a key that isn't compared as bytes are.
type Reading struct {
	bun.BaseModel `bun:"table:readings,audit"`

	Sensor string    `bun:"type:varchar(20),pk"`
	At     time.Time `bun:"type:timestamp,pk"`
	No     int64     `bun:",pk"`
}

// Pages follow each other in the database's order, whatever the key's types.
func TestBaselineOfKeysOfAllSorts(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Reading)(nil))
		rows := []Reading{}
		for _, sensor := range []string{"B", "a", "c", "é", "it's"} {
			for i := range 3 {
				at := start().Add(time.Duration(i) * time.Hour)
				rows = append(rows, Reading{Sensor: sensor, At: at, No: 1 << 60}, Reading{Sensor: sensor, At: at, No: 1<<60 + 1})
			}
		}
		_, err := db.NewInsert().Model(&rows).Exec(t.Context())
		require.NoError(t, err)
		n, err := retrieval.For[Reading](pool).Baseline(t.Context(), retrieval.BaselineOptions{BatchSize: 3})
		require.NoError(t, err)
		assert.Equal(t, int64(len(rows)), n)
		for f, err := range retrieval.For[Reading](pool).Verify(t.Context(), retrieval.VerifyOptions{}) {
			require.NoError(t, err)
			assert.Fail(t, "a row differs", f)
		}
	})
}

// A baseline of a table that is in use tells of each row what it held, before
// the changes that come after it.
func TestBaselineWhileRowsChange(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Person)(nil))
		rows := people(200)
		_, err := db.NewInsert().Model(&rows).Exec(t.Context())
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		for w := range 3 {
			writers.Go(func() {
				for i := w; ctx.Err() == nil && i < 900; i += 3 {
					_ = pool.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
						for j := range 2 {
							_, err := tx.NewUpdate().Model((*Person)(nil)).Set("name = ?", fmt.Sprint(i)).Where("id = ?", rows[(i*7+j*31)%200].ID).Exec(ctx)
							if err != nil {
								return err
							}
						}
						return nil
					})
					if db.Backend == testdb.SQLite {
						time.Sleep(20 * time.Millisecond) // its one writer keeps others out for longer than they wait
					}
				}
			})
		}
		opts := retrieval.BaselineOptions{HashKey: hashKey, BatchSize: 40, All: true}
		for range 4 {
			for {
				_, err = retrieval.For[Person](pool).Baseline(ctx, opts)
				if err == nil || db.Backend != testdb.SQLite {
					break // even so one may go without
				}
			}
			require.NoError(t, err)
		}
		stop()
		writers.Wait()
		assert.Empty(t, findings(t, retrieval.For[Person](pool), retrieval.VerifyOptions{HashKey: hashKey}))
		// Each event's old value is what the row held, snapshots included.
		for _, p := range rows {
			name := ""
			for e, err := range retrieval.For[Person](db).Key(p.ID).Events(t.Context()) {
				require.NoError(t, err)
				c, ok := e.Changes["name"]
				if !ok {
					continue
				}
				if name != "" && e.Op == sink.Update {
					require.Equal(t, name, string(c.Old))
				} else if name != "" {
					require.Equal(t, name, string(c.New))
				}
				name = string(c.New)
			}
		}
	})
}
