package bunaudit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
)

// User is a model of which everything is on record but the password, of which
// only changes are.
type User struct {
	bun.BaseModel  `bun:"table:users,audit"`
	bunaudit.Model // never written without a hook

	ID       int64 `bun:",pk,autoincrement"`
	Name     string
	Password string `bun:",audit:redact"`
}

// openExample opens an empty database with a table of users.
func openExample() *bun.DB {
	sqldb, err := sql.Open(sqliteshim.ShimName, ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	sqldb.SetMaxOpenConns(1) // each connection would have a database of its own
	db := bun.NewDB(sqldb, sqlitedialect.New())
	bun.SetLogger(bunaudit.Logger(nil))
	if _, err := db.NewCreateTable().Model((*User)(nil)).Exec(context.Background()); err != nil {
		log.Fatal(err)
	}
	return db
}

func ExampleNew() {
	db := openExample()
	defer db.Close()
	recorder := &sinktest.Recorder{}
	db.AddQueryHook(bunaudit.New(bunaudit.Config{
		Sink: recorder, // sqlsink.New() in a service
		Actor: func(context.Context) (sink.Actor, error) {
			return sink.Actor{Type: "user", ID: "1"}, nil
		},
	}))

	ctx := context.Background()
	user := &User{Name: "Jane Doe", Password: "secret"}
	if _, err := db.NewInsert().Model(user).Exec(ctx); err != nil {
		log.Fatal(err)
	}
	user.Name = "Jane Smith"
	if _, err := db.NewUpdate().Model(user).WherePK().Exec(ctx); err != nil {
		log.Fatal(err)
	}
	for _, e := range recorder.Events() {
		c := e.Changes["name"]
		fmt.Printf("%s of %s %s by %s %s: name %s -> %s, %d fields changed\n",
			e.Op, e.Table, e.Key["id"], e.Actor.Type, e.Actor.ID, c.Old, c.New, len(e.Changes))
	}
	// Output:
	// insert of users 1 by user 1: name  -> "Jane Doe", 2 fields changed
	// update of users 1 by user 1: name "Jane Doe" -> "Jane Smith", 1 fields changed
}

func ExampleWithActor() {
	db := openExample()
	defer db.Close()
	recorder := &sinktest.Recorder{}
	db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: recorder, RequireActor: true}))

	ctx := context.Background()
	_, err := db.NewInsert().Model(&User{Name: "Jane"}).Exec(ctx)
	fmt.Println(errors.Is(err, bunaudit.ErrNoActor))

	ctx = bunaudit.WithActor(ctx, sink.Actor{Type: "support", ID: "42", OnBehalfOf: "7"})
	ctx = bunaudit.WithReason(ctx, "GDPR request 118")
	ctx = bunaudit.WithMeta(ctx, "request_id", "b7e2")
	if _, err := db.NewInsert().Model(&User{Name: "Jane"}).Exec(ctx); err != nil {
		log.Fatal(err)
	}
	e := recorder.Events()[0]
	fmt.Println(e.Actor.ID, e.Actor.OnBehalfOf, e.Reason, e.Meta["request_id"])
	// Output:
	// true
	// 42 7 GDPR request 118 b7e2
}

func ExampleSkip() {
	db := openExample()
	defer db.Close()
	recorder := &sinktest.Recorder{}
	hook := bunaudit.New(bunaudit.Config{Sink: recorder})
	db.AddQueryHook(hook)

	ctx := bunaudit.Skip(context.Background(), "nightly re-index")
	if _, err := db.NewInsert().Model(&User{Name: "Jane"}).Exec(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(recorder.Events()), "events,", hook.Stats().Tables["users"].Skipped, "skipped")
	// Output: 0 events, 1 skipped
}

func ExampleDegrade() {
	db := openExample()
	defer db.Close()
	db.AddQueryHook(bunaudit.New(bunaudit.Config{
		Sink: sinktest.Failing(errors.New("the disk is full")),
		OnFailure: bunaudit.Degrade(func(_ context.Context, err error) {
			fmt.Println(err)
		}),
	}))
	ctx := context.Background()
	if _, err := db.NewInsert().Model(&User{Name: "Jane"}).Exec(ctx); err != nil {
		log.Fatal(err)
	}
	n, err := db.NewSelect().Model((*User)(nil)).Count(ctx)
	fmt.Println(n, err)
	// Output:
	// bunaudit: record insert of users: the disk is full
	// 1 <nil>
}

func ExampleModel() {
	db := openExample() // nobody has added the hook
	defer db.Close()
	_, err := db.NewUpdate().Model((*User)(nil)).Set("name = 'Eve'").Where("TRUE").Exec(context.Background())
	fmt.Println(errors.Is(err, bunaudit.ErrNoHook))
	// Output: true
}

func ExampleUncapturableError() {
	db := openExample()
	defer db.Close()
	db.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: sink.Discard{}, Models: []any{(*User)(nil)}}))
	_, err := db.ExecContext(context.Background(), "DELETE FROM users")
	var refused *bunaudit.UncapturableError
	if errors.As(err, &refused) {
		fmt.Println(refused.Op, refused.Table)
	}
	// The same through NewRaw is recorded.
	_, err = db.NewRaw("DELETE FROM users").Exec(context.Background())
	fmt.Println(err)
	// Output:
	// DELETE users
	// <nil>
}

func ExampleHook_Check() {
	db := openExample()
	defer db.Close()
	type Invoice struct {
		bun.BaseModel `bun:"table:invoices"`

		ID    int64 `bun:",pk"`
		Total int64 `bun:",audit:redcat"`
	}
	hook := bunaudit.New(bunaudit.Config{Sink: sink.Discard{}, Models: []any{(*Invoice)(nil)}})
	db.AddQueryHook(hook)
	fmt.Println(hook.Check(context.Background()))
	// Output: bunaudit: read tags: model Invoice: field Total: unknown tag audit:redcat: the values are audit, audit:-, audit:redact and audit:hash
}

func ExampleLogger() {
	// For a program with a logger of its own for Bun, after New.
	bun.SetLogger(bunaudit.Logger(log.New(os.Stderr, "bun ", 0)))
	defer bun.SetLogger(bunaudit.Logger(nil))
	// Output:
}
