package kafkasink_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

func TestConfigThatCantWorkIsRefused(t *testing.T) {
	t.Parallel()
	good := kafkasink.Config{Brokers: []string{"a:1"}, Topic: "t"}
	for want, edit := range map[string]func(c *kafkasink.Config){
		"Config.Brokers is empty":    func(c *kafkasink.Config) { c.Brokers = nil },
		"Config.Topic is empty":      func(c *kafkasink.Config) { c.Topic = "" },
		`Config.Topic is "a/b"`:      func(c *kafkasink.Config) { c.Topic = "a/b" },
		"neither Outbox nor Direct":  func(c *kafkasink.Config) { c.Delivery = 7 },
		"Direct, which has no table": func(c *kafkasink.Config) { c.Delivery, c.Table = kafkasink.Direct, "a" },
		"none of package kafka's":    func(c *kafkasink.Config) { c.Compression = 9 },
		"Config.MaxBatchBytes":       func(c *kafkasink.Config) { c.MaxBatchBytes = -1 },
		"Config.Timeout":             func(c *kafkasink.Config) { c.Timeout = -1 },
		"which alone has NOTIFY":     func(c *kafkasink.Config) { c.Notify = bun.NewDB(nil, sqlitedialect.New()) },
		"no relay to notify": func(c *kafkasink.Config) {
			c.Delivery, c.Notify = kafkasink.Direct, bun.NewDB(nil, pgdialect.New())
		},
		"Config.Table or Config.Schema:": func(c *kafkasink.Config) { c.Table = fmt.Sprintf("%060d", 1) },
	} {
		c := good
		edit(&c)
		assert.ErrorContains(t, c.Validate(), want)
		assert.Panics(t, func() { kafkasink.New(c) })
	}
	require.NoError(t, good.Validate())

	db, s := bun.NewDB(nil, pgdialect.New()), kafkasink.New(good)
	for want, c := range map[string]kafkasink.RelayConfig{
		"Batch":             {Batch: -1},
		"negative duration": {Poll: -1},
		"LeaseTTL is below": {LeaseTTL: 1},
	} {
		assert.ErrorContains(t, c.Validate(), want)
		assert.Panics(t, func() { kafkasink.NewRelay(db, s, c) })
	}
	const relayOfNil = "kafkasink: NewRelay wants the database of the outbox and the sink that writes to it: one of them is nil"
	assert.PanicsWithValue(t, relayOfNil, func() { kafkasink.NewRelay(nil, s, kafkasink.RelayConfig{}) })
	assert.PanicsWithValue(t, relayOfNil, func() { kafkasink.NewRelay(db, nil, kafkasink.RelayConfig{}) })
	const mirrorOfNil = "kafkasink: NewMirror wants a database and the sink whose table it has: one of them is nil"
	assert.PanicsWithValue(t, mirrorOfNil, func() { kafkasink.NewMirror(nil, sqlsink.New(), good, kafkasink.MirrorConfig{}) })
	assert.PanicsWithValue(t, mirrorOfNil, func() { kafkasink.NewMirror(db, nil, good, kafkasink.MirrorConfig{}) })
	good.Delivery = kafkasink.Direct
	assert.Panics(t, func() { kafkasink.NewRelay(db, kafkasink.New(good), kafkasink.RelayConfig{}) })
}
