package eventrow_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/internal/eventrow"
	"github.com/sqlaudit/bun/internal/testdb"
)

// found is a row as it was read, with what was wrong with it.
type found struct {
	eventrow.Row
	bad bool
}

func (f *found) keep(row *eventrow.Row, err error) {
	if f.bad = err != nil; f.bad {
		f.Seq = row.Seq
		return
	}
	f.Row = *row
	for _, j := range []*eventrow.JSON{&f.Key, &f.OldKey, &f.Changes, &f.Meta} { // whose memory is used again
		*j = slices.Clone(*j)
	}
}

// inPieces reads what was copied in pieces of a size.
func inPieces(t testing.TB, copied []byte, size int) []found {
	t.Helper()
	var rows []found
	r := &eventrow.CopyReader{Each: func(row *eventrow.Row, bad error) {
		rows = append(rows, found{})
		rows[len(rows)-1].keep(row, bad)
	}}
	for piece := range slices.Chunk(copied, size) {
		n, err := r.Write(piece)
		require.NoError(t, err)
		require.Equal(t, len(piece), n)
	}
	require.NoError(t, r.Err())
	return rows
}

// A row that comes by COPY is the row that comes by SELECT, and as good or bad,
// however what comes is cut.
func TestRowsComeByCopyAsBySelect(t *testing.T) {
	db := testdb.New(t, testdb.Postgres)
	table := eventrow.Table{Name: "log"}
	create(t, db, table)
	batches, err := eventrow.Encode(append(randomEvents(t, 200), events(3)...))
	require.NoError(t, err)
	_, err = db.NewRaw("ALTER TABLE log DROP CONSTRAINT log_id_key").Exec(t.Context())
	require.NoError(t, err)
	require.NoError(t, table.Insert(t.Context(), db.DB, db.DB, batches))
	for seq, damage := range []string{
		`"time" = 'infinity'`, `"time" = '-infinity'`, `"time" = '12026-01-01'`, `"time" = '0044-03-15 BC'`, `"time" = '0001-01-01 00:00:00Z'`,
		`"time" = '9999-12-31 23:59:59.999999Z'`, `"time" = '1969-12-31 23:59:59.999999Z'`, `"key" = '[1, {"a": 2}]'`, `changes = 'null'`,
		`meta = '" "'`, `op = '', table_name = ''`, `id = '00000000-0000-0000-0000-000000000000'`,
	} {
		_, err := db.NewRaw("UPDATE log SET "+damage+" WHERE seq = ?", seq+1).Exec(t.Context())
		require.NoError(t, err, damage)
	}

	rows, err := db.NewSelect().TableExpr("log AS e").ColumnExpr("?", eventrow.Columns(db.DB)).Order("e.seq").Rows(t.Context())
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	var want []found
	bad := 0
	for rows.Next() {
		var row eventrow.Row
		err := rows.Scan(row.Fields(db.Dialect().Name())...)
		want = append(want, found{})
		want[len(want)-1].keep(&row, err)
		if err != nil {
			bad++
		}
	}
	require.NoError(t, rows.Err())
	require.Len(t, want, 203)
	require.Equal(t, 4, bad)

	var copied bytes.Buffer
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	query := db.NewSelect().TableExpr("log AS e").ColumnExpr("?", eventrow.CopyColumns(db.DB)).Order("e.seq").String()
	_, err = pgdriver.CopyTo(t.Context(), conn, &copied, "COPY ("+query+") TO STDOUT (FORMAT binary)")
	require.NoError(t, err)
	for _, size := range []int{1, 2, 7, 100, 1000, copied.Len()} {
		assert.Equal(t, want, inPieces(t, copied.Bytes(), size), "in pieces of %d", size)
	}
	for _, n := range []int{0, 5, 18, 19, 20, 500, copied.Len() - 1} {
		r := &eventrow.CopyReader{Each: func(*eventrow.Row, error) {}}
		_, _ = r.Write(copied.Bytes()[:n])
		assert.ErrorContains(t, r.Err(), "too early", "%d bytes", n)
	}
}

// Whatever comes, it is read or refused, and the driver is never stopped.
func FuzzCopyReaderTakesAll(f *testing.F) {
	head := "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	f.Add([]byte(head+"\xff\xff"), 3)
	f.Add([]byte(head+"\x00\x14\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff"), 1)
	f.Add([]byte(head+"\x00\x03"), 100)
	f.Add([]byte("COPY"+head), 1)
	f.Fuzz(func(t *testing.T, copied []byte, size int) {
		read := func(size int) (string, []string) {
			var rows []string
			r := &eventrow.CopyReader{Each: func(row *eventrow.Row, bad error) { rows = append(rows, fmt.Sprint(*row, bad)) }}
			for piece := range slices.Chunk(copied, size) {
				if n, err := r.Write(piece); n != len(piece) || err != nil {
					t.Fatal(n, err)
				}
			}
			return fmt.Sprint(r.Err()), rows
		}
		err, rows := read(max(1, size))
		wholeErr, whole := read(len(copied) + 1)
		if err != wholeErr || !slices.Equal(rows, whole) {
			t.Fatalf("in pieces: %s, %q; at once: %s, %q", err, rows, wholeErr, whole)
		}
	})
}
