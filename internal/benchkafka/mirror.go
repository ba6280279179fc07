package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// mirrored is how the name of the topic ends that is mirrored.
const mirrored = "_mirrored"

// mirror measures how fast a mirror stores a topic of so many events.
func (b *bench) mirror(ctx context.Context, events int) error {
	of := *b
	of.topic, of.profile = b.topic+mirrored, ""
	of.sink = kafkasink.New(of.config())
	if _, _, err := of.relay(ctx, events); err != nil {
		return err
	}
	history, copied := sqlsink.New(sqlsink.Schema(b.schema)), sqlsink.New(sqlsink.Schema(b.schema), sqlsink.Table("copied"))
	m := kafkasink.NewMirror(b.db, history, of.config(), kafkasink.MirrorConfig{Schema: b.schema})
	if err := errors.Join(history.CreateTable(ctx, b.db), copied.CreateTable(ctx, b.db), m.CreateTable(ctx, b.db)); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- m.Run(running) }()
	for m.Stats().Stored < int64(events) && ctx.Err() == nil {
		select {
		case err := <-ended:
			return errors.Join(err, errors.New("the mirror has ended"))
		case <-time.After(20 * time.Millisecond):
		}
	}
	took := time.Since(began)
	stop()
	if err := <-ended; err != nil {
		return err
	}
	began = time.Now()
	_, err := b.db.NewRaw("INSERT INTO ?0.copied OVERRIDING SYSTEM VALUE SELECT * FROM ?0.audit_events", bun.Ident(b.schema)).Exec(ctx)
	if err != nil {
		return err
	}
	bare := time.Since(began)
	fmt.Printf("mirror of %d events: %.0f/s; INSERT … SELECT of them %.0f/s\n", events, float64(events)/took.Seconds(), float64(events)/bare.Seconds())
	return nil
}
