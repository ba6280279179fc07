// Kafka shows a service, a relay and a mirror, against the broker that
// BUNAUDIT_TEST_KAFKA names: two customers change in the service's database, the
// relay publishes the events, and the history is read back from the mirror's
// database.
//
//	make example-kafka
//
// Both databases are SQLite in memory here. On PostgreSQL nothing is different
// but how it is opened.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/driver/sqliteshim"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/retrieval"
	"github.com/sqlaudit/bun/sink"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// Customer is audited: every change to it goes to Kafka.
type Customer struct {
	bun.BaseModel `bun:"table:customers,audit"`

	ID   int64 `bun:",pk,autoincrement"`
	Name string
}

func main() {
	broker := os.Getenv("BUNAUDIT_TEST_KAFKA")
	if broker == "" {
		log.Fatal("BUNAUDIT_TEST_KAFKA is not set: give it the address of a Kafka broker, or run make example-kafka, which starts one")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := run(ctx, broker, fmt.Sprintf("example-%d", time.Now().UnixNano()), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, broker, topic string, out io.Writer) (err error) {
	// The operator's part: a topic that keeps what it is given.
	admin := &kafka.Client{Addr: kafka.TCP(broker)}
	created, err := admin.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 3, ReplicationFactor: 1}},
	})
	if err != nil {
		return err
	}
	if err := created.Errors[topic]; err != nil {
		return err
	}
	defer func() {
		_, deleteErr := admin.DeleteTopics(context.WithoutCancel(ctx), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		err = errors.Join(err, deleteErr)
	}()
	cfg := kafkasink.Config{Brokers: []string{broker}, Topic: topic, Source: "/shop"}

	shop, closeShop, err := open("shop")
	if err != nil {
		return err
	}
	defer closeShop()
	archive, closeArchive, err := open("archive")
	if err != nil {
		return err
	}
	defer closeArchive()

	// Until the history is there, beside the service. Each could be a process of
	// its own.
	background, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()

	events := kafkasink.New(cfg)
	if err := events.CreateTable(ctx, shop); err != nil {
		return err
	}
	// Before anything else runs on the pool: Bun adds hooks without a lock.
	shop.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: events}))
	relay := kafkasink.NewRelay(shop, events, kafkasink.RelayConfig{})
	if err := relay.Check(ctx); err != nil {
		return err
	}
	running.Go(func() { logged(relay.Run(background)) })

	history := sqlsink.New()
	mirror := kafkasink.NewMirror(archive, history, cfg, kafkasink.MirrorConfig{})
	if err := errors.Join(history.CreateTable(ctx, archive), mirror.CreateTable(ctx, archive)); err != nil {
		return err
	}
	running.Go(func() { logged(mirror.Run(background)) })

	if err := serve(ctx, shop); err != nil {
		return err
	}
	for mirror.Stats().Stored < 3 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the events have not arrived: %w", errors.Join(relay.Stats().LastError, mirror.Stats().LastError, ctx.Err()))
		case <-time.After(10 * time.Millisecond):
		}
	}
	for _, id := range []int64{1, 2} {
		for change, err := range retrieval.For[Customer](archive).Key(id).Changes(ctx) {
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(out, change); err != nil {
				return err
			}
		}
	}
	return nil
}

// serve is the service: it knows nothing of Kafka.
func serve(ctx context.Context, db *bun.DB) error {
	if _, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(ctx); err != nil {
		return err
	}
	customers := []*Customer{{Name: "Jane Doe"}, {Name: "John Brown"}}
	if _, err := db.NewInsert().Model(&customers).Exec(ctx); err != nil {
		return err
	}
	ctx = bunaudit.WithActor(ctx, sink.Actor{Type: "user", ID: "1"})
	jane := customers[0]
	jane.Name = "Jane Smith"
	_, err := db.NewUpdate().Model(jane).WherePK().Exec(ctx)
	return err
}

func open(name string) (*bun.DB, func(), error) {
	pool, err := sql.Open(sqliteshim.ShimName, "file:"+name+"?mode=memory&cache=shared")
	if err != nil {
		return nil, nil, err
	}
	pool.SetMaxOpenConns(1) // SQLite in memory: the database goes with its last connection
	return bun.NewDB(pool, sqlitedialect.New()), func() { _ = pool.Close() }, nil
}

func logged(err error) {
	if err != nil {
		log.Print(err)
	}
}
