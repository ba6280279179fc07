package retrieval_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

type Status string

type Everything struct {
	bun.BaseModel `bun:"table:everything,audit"`

	ID   int64 `bun:",pk"`
	I8   int8
	U64  uint64
	F32  float32
	F64  float64
	B    bool
	S    string
	By   []byte
	T    time.Time
	TS   time.Time `bun:"type:timestamp"`
	D    time.Time `bun:"type:date"`
	P    *string
	N    sql.NullInt64
	NT   bun.NullTime
	J    map[string]any
	Raw  json.RawMessage `bun:"type:json"`
	Arr  []string        `bun:",array"`
	Dec  string          `bun:"type:numeric"`
	Uu   string          `bun:"type:uuid"`
	St   Status
	NZ   string `bun:",nullzero"`
	Inf  float64
	Long int64
}

func audited(t *testing.T, db *testdb.DB, model any) *bun.DB {
	t.Helper()
	store := sqlsink.New()
	require.NoError(t, store.CreateTable(t.Context(), db))
	_, err := db.NewCreateTable().Model(model).Exec(t.Context())
	require.NoError(t, err)
	pool := db.Open(t)
	pool.AddQueryHook(bunaudit.New(bunaudit.Config{
		Sink:    store,
		HashKey: []byte("0123456789abcdef0123456789abcdef"),
		Actor:   func(context.Context) (sink.Actor, error) { return sink.Actor{ID: "1", Type: "user"}, nil },
	}))
	return pool
}

// What the hook has recorded comes back as a SELECT gives it.
func TestValuesComeBackAsTheyWentIn(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Everything)(nil))
		p := "p"
		row := Everything{
			ID: 1, I8: -128, U64: math.MaxInt64, F32: 0.1, F64: 1e21, B: true, S: "é <\"'\\ \n", By: []byte{0, 255},
			T: time.Date(2026, 1, 2, 5, 4, 5, 123456789, time.FixedZone("", 7200)), TS: start(), D: start().Truncate(24 * time.Hour),
			P: &p, N: sql.NullInt64{Int64: 5, Valid: true}, NT: bun.NullTime{Time: start()}, J: map[string]any{"a": []any{1.5, nil, "x"}},
			Raw: json.RawMessage(`{"a":1}`), Arr: []string{"a", `"b", {c}`}, Dec: "12.25", Uu: uuid(1), St: "open", Inf: math.Inf(1), Long: math.MinInt64,
		}
		next := Everything{ID: 1, Uu: uuid(2), Dec: "0", F64: math.NaN(), T: start(), TS: start(), D: start().Truncate(24 * time.Hour)}
		if db.Backend == testdb.MariaDB { // which has only finite numbers
			row.Inf, next.F64 = 1, 0
		}
		_, err := pool.NewInsert().Model(&row).Exec(t.Context())
		require.NoError(t, err)
		var first, second Everything
		require.NoError(t, db.NewSelect().Model(&first).Where("id = 1").Scan(t.Context()))

		_, err = pool.NewUpdate().Model(&next).WherePK().Exec(t.Context())
		require.NoError(t, err)
		require.NoError(t, db.NewSelect().Model(&second).Where("id = 1").Scan(t.Context()))

		events, err := retrieval.For[Everything](db).Key(1).All(t.Context())
		require.NoError(t, err)
		require.Len(t, events, 2)
		inserted, err := events[0].New()
		require.NoError(t, err)
		same(t, first, inserted, nil)
		for _, side := range []struct {
			want Everything
			get  func() (Everything, error)
		}{{first, events[1].Old}, {second, events[1].New}} {
			got, err := side.get()
			require.NoError(t, err)
			same(t, side.want, got, func(column string) bool { _, ok := events[1].Changes[column]; return ok })
		}
		assert.Contains(t, events[1].Changes, "nt")
		assert.Contains(t, events[1].Changes, "arr")
	})
}

// same compares the fields of two rows; times by their instant.
func same(t *testing.T, want, got Everything, only func(column string) bool) {
	t.Helper()
	w, g := reflect.ValueOf(want), reflect.ValueOf(got)
	for i := 1; i < w.NumField(); i++ {
		column := w.Type().Field(i).Name
		if only != nil && !only(lower(column)) {
			continue
		}
		assert.Equal(t, plain(w.Field(i)), plain(g.Field(i)), column)
	}
}

// lower is how Bun names the columns of these short names.
func lower(name string) string {
	b := []byte(name)
	for i := range b {
		b[i] |= 0x20
	}
	return string(b)
}

func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC()
	case bun.NullTime:
		return x.UTC()
	case float64:
		return fmt.Sprint(x)
	case json.RawMessage:
		var doc any
		_ = json.Unmarshal(x, &doc)
		return doc
	default:
		return x
	}
}

func TestTheStoryOfTheQuickStart(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		pool := audited(t, db, (*Customer)(nil))
		ctx := t.Context()
		since := time.Now()
		jane := Customer{Name: "Jane Doe"}
		_, err := pool.NewInsert().Model(&jane).Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewUpdate().Model((*Customer)(nil)).Set("name = ?", "Jane Smith").Where("id = ?", jane.ID).Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewUpdate().Model((*Customer)(nil)).Set("id = ?", 77).Where("id = ?", jane.ID).Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewDelete().Model((*Customer)(nil)).Where("id = ?", 77).Exec(ctx)
		require.NoError(t, err)

		// The hook's own database serves as well, and its queries aren't recorded.
		changes, err := retrieval.Collect(retrieval.For[Customer](pool).Key(77).Field("name", "id").By("1").Since(since.Add(-time.Second)).Changes(ctx))
		require.NoError(t, err)
		var lines []string
		for _, c := range changes {
			c.Time = start()
			lines = append(lines, c.String())
		}
		assert.Equal(t, []string{
			"FIELD name SET AT 2026-01-02T03:04:05Z TO Jane Doe BY user 1",
			"FIELD name CHANGED AT 2026-01-02T03:04:05Z FROM Jane Doe TO Jane Smith BY user 1",
			"FIELD id CHANGED AT 2026-01-02T03:04:05Z FROM 1 TO 77 BY user 1",
			"FIELD name REMOVED AT 2026-01-02T03:04:05Z FROM Jane Smith BY user 1",
		}, lines)
		n, err := retrieval.For[Customer](pool).Key(jane.ID).Count(ctx)
		require.NoError(t, err)
		assert.Equal(t, 4, n)
	})
}
