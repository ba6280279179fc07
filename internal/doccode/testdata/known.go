package blocks

import (
	"context"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/sqlaudit/bun/internal/doccode/testdata/shop"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// What the documents take for granted.
var (
	ctx         context.Context
	db, archive *bun.DB
	events      *sqlsink.Sink
	migrations  *migrate.Migrations

	currentUser func(ctx context.Context) (sink.Actor, error)
	session     sessions
	hashKey     []byte
	brokers     []string
	t0, t1      time.Time
	id          string
)

type sessions struct{}

func (sessions) User(context.Context) (u struct{ ID, Name string }) { return u }

type (
	Customer = shop.Customer
	Invoice  = shop.Invoice
)
