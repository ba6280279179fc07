package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
)

// A key's columns are in any order, and those of the shop.goods are a text, which may
// look like a number, and a number.
func TestKeysOfSeveralColumns(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		good := func(i int, sku string) sink.Event {
			key := sink.Values{"sku": json.RawMessage(sku), "lot": json.RawMessage("7")}
			return sink.Event{Op: sink.Insert, Key: key, Table: "shop.goods", Model: "Good",
				ID: eventID(i), Tx: eventID(100), Time: time.Date(2026, 1, 2, 3, i, 0, 0, time.UTC),
				Changes: map[string]sink.Change{"name": {New: json.RawMessage(`"nail"`)}}}
		}
		store(t, db, []sink.Event{good(0, `"4711"`), good(1, `"A 1"`), good(2, `"true"`)})
		for want, keys := range map[string][][]string{
			"0": {{"--key", "sku=4711", "--key", "lot=7"}, {"--key", "lot=7", "--key", `sku="4711"`}, {"--key", `{"lot":7,"sku":"4711"}`}},
			"1": {{"--key", "sku=A 1", "--key", "lot=7"}},
			"2": {{"--key", "sku=true", "--key", "lot=7"}},
		} {
			for _, key := range keys {
				r := ask(t, db.DSN, append([]string{"history", "shop.goods", "--json"}, key...)...)
				assert.Equal(t, []string{want}, ids(t, r.out), key)
				assert.Empty(t, r.err)
				r = ask(t, db.DSN, append([]string{"as-of", "shop.goods", "--at", "1m"}, key...)...)
				assert.Equal(t, 0, r.code, r.err)
				assert.Contains(t, r.out, `"nail"`)
			}
		}
		hint := `bunaudit: a key of shop.goods has other columns: it looks like {"lot":7,"sku":"true"}` + "\n"
		for _, key := range [][]string{{"--key", "sku=4711"}, {"--key", "SKU=4711", "--key", "lot=7"}, {"--key", `{"sku":"4711","lot":7,"x":1}`}} {
			assert.Equal(t, result{err: hint}, ask(t, db.DSN, append([]string{"history", "shop.goods"}, key...)...))
			assert.Equal(t, result{err: hint}, ask(t, db.DSN, append([]string{"export", "shop.goods"}, key...)...))
			assert.Equal(t, result{1, "", hint + "bunaudit: history knows of no such row at that time\n"},
				ask(t, db.DSN, append([]string{"as-of", "shop.goods", "--at", "1m"}, key...)...))
		}
		before := []string{"as-of", "shop.goods", "--at", "2020-01-01"}
		assert.Equal(t, result{err: "bunaudit: history knows of no row of shop.goods at that time\n"}, ask(t, db.DSN, before...))
		assert.Equal(t, result{}, ask(t, db.DSN, append(before, "--json")...))
		assert.Equal(t, result{err: "bunaudit: there is no such event\n"}, ask(t, db.DSN, "history", "shop.goods", "--key", "sku=4712", "--key", "lot=7"))
	})
}
