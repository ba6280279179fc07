package bunaudit_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
)

// randomOnMariaDB is a statement on the table stock, made up.
func randomOnMariaDB(r *rand.Rand) string {
	id := func() int { return 1 + r.IntN(12) }
	row := func() string {
		key := fmt.Sprint(id())
		if r.IntN(2) == 0 {
			key = "DEFAULT"
		}
		return fmt.Sprintf("(%s, 's%d', %d)", key, r.IntN(10), r.IntN(4))
	}
	rows := func() string {
		var list []string
		for range 1 + r.IntN(4) {
			list = append(list, row())
		}
		return strings.Join(list, ", ")
	}
	set := [...]string{"n = n + 1", "n = n", "n = 3", "sku = CONCAT(sku, n)", "n = n * 2, sku = CONCAT('m', n)"}[r.IntN(5)]
	where := [...]string{
		fmt.Sprintf("id = %d", id()), fmt.Sprintf("id < %d", id()), fmt.Sprintf("n > %d", r.IntN(4)), "RAND() < 0.3",
		"id IN (SELECT * FROM (SELECT id FROM stock ORDER BY RAND() LIMIT 2) AS x)", fmt.Sprintf("sku = 's%d'", r.IntN(10)),
	}[r.IntN(6)]
	order := [...]string{"", " ORDER BY id LIMIT 2", " ORDER BY n DESC, id LIMIT 1"}[r.IntN(3)]
	switch r.IntN(15) {
	case 0, 1:
		return "INSERT INTO stock (id, sku, n) VALUES " + row()
	case 2:
		return "INSERT IGNORE INTO stock (id, sku, n) VALUES " + rows()
	case 3, 4, 5:
		update := [...]string{"n = VALUES(n)", "n = stock.n + 1", "n = n", "sku = CONCAT(stock.sku, '!'), n = 0", "id = LAST_INSERT_ID(stock.id), n = VALUES(n) + 1"}
		return "INSERT INTO stock (id, sku, n) VALUES " + rows() + " ON DUPLICATE KEY UPDATE " + update[r.IntN(len(update))]
	case 6:
		return "INSERT INTO stock (sku, n) SELECT CONCAT(s.sku, '+'), s.n FROM stock AS s WHERE s." + fmt.Sprintf("id < %d", id()) +
			" ON DUPLICATE KEY UPDATE n = VALUES(n) + stock.n"
	case 7:
		return fmt.Sprintf("UPDATE stock AS s JOIN (SELECT %d AS k UNION SELECT %d) AS x ON x.k = s.id SET s.n = s.n + x.k", id(), id())
	case 8:
		return fmt.Sprintf("UPDATE stock SET id = id + %d, n = id WHERE %s ORDER BY id DESC", r.IntN(20), where)
	case 10, 11:
		return "REPLACE INTO stock (id, sku, n) VALUES " + rows()
	case 12:
		return "REPLACE INTO stock SELECT id + " + fmt.Sprint(r.IntN(3)) + ", sku, n + 1 FROM stock WHERE " + where + " LIMIT 3"
	case 9:
		return "DELETE FROM stock WHERE " + where + order
	default:
		return "UPDATE stock SET " + set + " WHERE " + where + order
	}
}

// Triggers that know nothing of the audit write down what happens to the rows. The
// record has to say the same, whatever eight clients do and undo.
func TestRandomStatementsAgainstTriggersOnMariaDB(t *testing.T) {
	const clients = 8
	db := testdb.New(t, testdb.MariaDB)
	a := newAudited(t, db, bunaudit.Config{Models: []any{(*Stock)(nil)}}, (*Stock)(nil))
	a.execute(t, "CREATE TABLE oracle (seq bigint AUTO_INCREMENT PRIMARY KEY, op text, oid bigint, osku text, `on` bigint, id bigint, sku text, n bigint)")
	a.execute(t, "CREATE TRIGGER i AFTER INSERT ON stock FOR EACH ROW INSERT INTO oracle VALUES (NULL, 'insert', NULL, NULL, NULL, NEW.id, NEW.sku, NEW.n)")
	a.execute(t, "CREATE TRIGGER u AFTER UPDATE ON stock FOR EACH ROW INSERT INTO oracle VALUES (NULL, 'update', OLD.id, OLD.sku, OLD.n, NEW.id, NEW.sku, NEW.n)")
	a.execute(t, "CREATE TRIGGER d AFTER DELETE ON stock FOR EACH ROW INSERT INTO oracle VALUES (NULL, 'delete', OLD.id, OLD.sku, OLD.n, NULL, NULL, NULL)")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var mu sync.Mutex
	ran, failed := 0, map[string]int{}
	judge := func(text string, err error) {
		mu.Lock()
		defer mu.Unlock()
		ran++
		var own *mysql.MySQLError
		var refused *bunaudit.UncapturableError
		var unrecorded *bunaudit.NotRecordedError
		switch {
		case err == nil:
		case errors.As(err, &unrecorded), errors.As(err, &refused):
			t.Errorf("%s: %v", text, err)
		case errors.As(err, &own):
			failed[fmt.Sprint(own.Number)]++
			if !slices.Contains([]uint16{1062, 1205, 1213, 1264, 1305, 1467}, own.Number) {
				// Taken, waited, deadlock, too large, and no savepoint or number after a deadlock.
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	end := time.Now().Add(3 * time.Second)
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(client)))
			ctx := t.Context()
			for time.Now().Before(end) {
				if r.IntN(3) == 0 {
					text := randomOnMariaDB(r)
					judge(text, exec(a.NewRaw("?", bun.Safe(text)).Exec(ctx)))
					continue
				}
				randomTransaction(ctx, a, r, judge)
			}
		})
	}
	wg.Wait()
	t.Logf("%d statements, errors %v", ran, failed)
	require.Equal(t, oracleStory(t, db), sorted(a.story(t)))
}

// randomTransaction runs some statements, a part of them perhaps in a savepoint,
// and commits or rolls back. An error may have ended the transaction.
func randomTransaction(ctx context.Context, a *audited, r *rand.Rand, judge func(string, error)) {
	tx, err := a.BeginTx(ctx, nil)
	if err != nil {
		return
	}
	for range 1 + r.IntN(4) {
		run := func(db bun.IDB) error {
			text := randomOnMariaDB(r)
			err := exec(db.NewRaw("?", bun.Safe(text)).Exec(ctx))
			judge(text, err)
			return err
		}
		if r.IntN(3) == 0 {
			err = tx.RunInTx(ctx, nil, func(_ context.Context, sp bun.Tx) error {
				if err := run(sp); err != nil || r.IntN(2) == 0 {
					return errors.Join(err, errSink)
				}
				return nil
			})
		} else {
			err = run(tx)
		}
		var own *mysql.MySQLError
		if errors.As(err, &own) && own.Number != 1062 {
			break
		}
	}
	if r.IntN(3) == 0 {
		_ = tx.Rollback()
		return
	}
	_ = tx.Commit()
}

// oracleStory is what the triggers have seen, in the words of the record.
func oracleStory(t *testing.T, db *testdb.DB) []string {
	t.Helper()
	var seen []struct {
		Op             string
		Oid, On, ID, N *int64
		Osku, Sku      *string
	}
	require.NoError(t, db.NewRaw("SELECT op, oid, osku, `on`, id, sku, n FROM oracle").Scan(t.Context(), &seen))
	lines := []string{}
	for _, s := range seen {
		switch s.Op {
		case "insert":
			lines = append(lines, fmt.Sprintf(`insert stock {"id":%d}: n -> %d, sku -> %q`, *s.ID, *s.N, *s.Sku))
		case "delete":
			lines = append(lines, fmt.Sprintf(`delete stock {"id":%d}: n %d, sku %q`, *s.Oid, *s.On, *s.Osku))
		default:
			head, parts := fmt.Sprintf(`update stock {"id":%d}`, *s.ID), []string{}
			if *s.Oid != *s.ID {
				head += fmt.Sprintf(` was {"id":%d}`, *s.Oid)
				parts = append(parts, fmt.Sprintf("id %d -> %d", *s.Oid, *s.ID))
			}
			if *s.On != *s.N {
				parts = append(parts, fmt.Sprintf("n %d -> %d", *s.On, *s.N))
			}
			if *s.Osku != *s.Sku {
				parts = append(parts, fmt.Sprintf("sku %q -> %q", *s.Osku, *s.Sku))
			}
			if len(parts) > 0 {
				lines = append(lines, head+": "+strings.Join(parts, ", "))
			}
		}
	}
	return sorted(lines)
}

func sorted(lines []string) []string {
	sort.Strings(lines)
	return lines
}
