package bunaudit

import (
	"context"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/sqlaudit/bun/internal/bunconn"
)

// Model is for embedding in an audited model, beside bun.BaseModel:
//
//	type Customer struct {
//		bun.BaseModel  `bun:"table:customers,audit"`
//		bunaudit.Model
//		…
//	}
//
// It has no columns. It makes sure that the model isn't written where nothing
// would be recorded: a write through a *bun.DB that has no audit hook fails
// with [ErrNoHook], so that a second binary whose author forgot the hook can't
// go unnoticed. Models that are tagged but don't embed it are recorded just the
// same where the hook is.
//
// A model with a BeforeAppendModel, BeforeInsert, BeforeUpdate or BeforeDelete
// of its own calls the embedded one from it. Raw SQL has no model and is not
// held back.
type Model struct{}

// BeforeAppendModel arms a write before Bun renders it.
func (Model) BeforeAppendModel(_ context.Context, q schema.Query) error {
	switch q := q.(type) {
	case *bun.InsertQuery:
		return arm(q)
	case *bun.UpdateQuery:
		return arm(q)
	case *bun.DeleteQuery:
		return arm(q)
	case *bun.MergeQuery:
		return arm(q)
	}
	return nil
}

// BeforeInsert arms an insert; unlike BeforeAppendModel Bun also calls it for
// models without a value.
func (Model) BeforeInsert(_ context.Context, q *bun.InsertQuery) error { return arm(q) }

// BeforeUpdate arms an update by condition, as in Model((*Customer)(nil)).
func (Model) BeforeUpdate(_ context.Context, q *bun.UpdateQuery) error { return arm(q) }

// BeforeDelete arms a delete by condition.
func (Model) BeforeDelete(_ context.Context, q *bun.DeleteQuery) error { return arm(q) }

func (Model) auditGuard() {}

var (
	_ schema.BeforeAppendModelHook = Model{}
	_ bun.BeforeInsertHook         = Model{}
	_ bun.BeforeUpdateHook         = Model{}
	_ bun.BeforeDeleteHook         = Model{}
)

// arm puts a guard in the place of q's connection. The audit hook takes it away
// again; where there is no hook the guard refuses to run the query.
func arm(q bunconn.Query) error {
	conn, err := bunconn.Get(q)
	if err != nil {
		return err
	}
	switch conn.(type) {
	case *guard, *recorder:
		return nil
	}
	bunconn.Set(q, &guard{query: q, conn: conn, err: ErrNoHook})
	return nil
}
