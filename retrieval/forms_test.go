package retrieval_test

import (
	"testing"
	"time"

	googleuuid "github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
)

// Parcel says nothing about the types of its columns, and Bun would give them
// others than they have.
type Parcel struct {
	bun.BaseModel `bun:"table:parcels,audit"`

	ID      googleuuid.UUID `bun:",pk"`
	Sent    time.Time       `bun:",pk"`
	Weight  float64         `bun:",pk"`
	Price   Decimal
	Insured string
	Sender  string
	Day     time.Time
}

// handmade is an audited table of parcels, as a migration may have made it.
func handmade(t *testing.T, db *testdb.DB) *bun.DB {
	t.Helper()
	types := map[string][2]string{
		testdb.Postgres: {"uuid", "timestamp"}, testdb.MariaDB: {"uuid", "datetime(6)"}, testdb.SQLite: {"text", "text"},
	}[db.Backend]
	_, err := db.ExecContext(t.Context(), "CREATE TABLE parcels (id ?0, sent ?1, weight numeric(10,3), price numeric(10,2), insured numeric(10,2), sender ?0, day date, "+
		"PRIMARY KEY (id, sent, weight))", bun.Safe(types[0]), bun.Safe(types[1]))
	require.NoError(t, err)
	return hooked(t, db)
}

func TestAKeyAndValuesInColumnsOfOtherTypesThanBunWouldGiveThem(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		ctx, pool := t.Context(), handmade(t, db)
		zone := time.FixedZone("", 3600)
		parcel := Parcel{
			ID: googleuuid.New(), Sent: time.Date(2026, 1, 2, 3, 4, 5, 6000, zone), Weight: 1.5,
			Price: Decimal{"7"}, Insured: "100.5", Sender: "ABCDEF00-0000-0000-0000-000000000000", Day: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		}
		before := time.Now()
		_, err := pool.NewInsert().Model(&parcel).Exec(ctx)
		require.NoError(t, err)
		_, err = pool.NewInsert().Model(&Parcel{ID: googleuuid.New(), Price: Decimal{"0"}, Insured: "0", Sender: googleuuid.NewString()}).Exec(ctx)
		require.NoError(t, err)
		price := Decimal{"8.25"}
		_, err = pool.NewUpdate().Model(&Parcel{Price: price}).Column("price").Where("weight = 1.5").Exec(ctx)
		require.NoError(t, err)
		var read Parcel
		require.NoError(t, pool.NewSelect().Model(&read).Where("weight = 1.5").Scan(ctx))

		type query = *retrieval.Query[Parcel]
		ask := func() query { return retrieval.For[Parcel](pool) }
		for name, q := range map[string]query{
			"the values that were written": ask().Key(parcel.ID, parcel.Sent, parcel.Weight),
			"those that are read":          ask().Key(read.ID, read.Sent, read.Weight),
			"a text":                       ask().Key(parcel.ID.String(), parcel.Sent, 1.5),
			"a row":                        ask().Key(read),
			"several":                      ask().Keys(parcel, []any{parcel.ID, parcel.Sent.Add(1000), 1.5}),
			"columns":                      ask().Key(map[string]any{"id": parcel.ID, "sent": parcel.Sent, "weight": 1.5}),
			"price":                        ask().WhereNew("price", Decimal{"7"}, price),
			"price, old or new":            ask().WhereOld("price", Decimal{"7.00"}).Op(sink.Update),
			"insured":                      ask().WhereNew("insured", parcel.Insured),
			"sender":                       ask().WhereNew("sender", parcel.Sender),
			"day":                          ask().WhereNew("day", parcel.Day),
			"what is read":                 ask().WhereNew("sender", read.Sender).WhereNew("day", read.Day).WhereNew("insured", read.Insured),
		} {
			n, err := q.Count(ctx)
			require.NoError(t, err, name)
			events, err := q.All(ctx)
			require.NoError(t, err, name)
			assert.NotEmpty(t, events, name)
			assert.Len(t, events, n, name)
			for _, e := range events {
				assert.JSONEq(t, `"`+parcel.ID.String()+`"`, string(e.Key["id"]), name)
			}
		}
		n, err := ask().Key(googleuuid.New(), parcel.Sent, 1.5).Count(ctx)
		require.NoError(t, err)
		assert.Zero(t, n)

		row := ask().Key(parcel)
		was, err := row.AsOf(ctx, time.Now())
		require.NoError(t, err)
		assert.Equal(t, read.Sender, was.Sender)
		diff, err := row.Diff(ctx, before, time.Now())
		require.NoError(t, err)
		assert.True(t, !diff.Was && diff.Is)
		versions, err := retrieval.Collect(row.Versions(ctx))
		require.NoError(t, err)
		assert.Len(t, versions, 2)
		findings, err := retrieval.Collect(row.Verify(ctx, retrieval.VerifyOptions{}))
		require.NoError(t, err)
		assert.Empty(t, findings)
		erased, err := row.Erase(bunaudit.WithActor(ctx, sink.Actor{ID: "dpo"}), "sender")
		require.NoError(t, err)
		assert.Equal(t, 1, erased)
		reverted, err := ask().Key(parcel).Op(sink.Update).Revert(ctx, retrieval.RevertOptions{Reason: "typo"})
		require.NoError(t, err)
		assert.Equal(t, 1, reverted)
		pruned, err := ask().Key(parcel).Prune(ctx, retrieval.PruneOptions{})
		require.NoError(t, err)
		assert.EqualValues(t, 4, pruned)
	})
}
