package bunaudit_test

import (
	"context"
	"fmt"
	"log"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/sink"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

var hashKey = []byte("0123456789abcdef")

// Patient has every tag.
type Patient struct {
	bun.BaseModel `bun:"table:patients,audit,audit_label:Patientin"`

	ID    int64   `bun:",pk"`
	Name  string  `bun:"full_name"`
	SSN   string  `bun:",audit:redact"`
	Mail  *string `bun:",audit:hash"`
	Notes string  `bun:",audit:-"`
}

func TestTagsSayWhatIsRecorded(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		ctx := t.Context()
		a := newAudited(t, db, bunaudit.Config{HashKey: hashKey}, (*Patient)(nil))
		require.NoError(t, exec(a.NewInsert().Model(&[]Patient{
			{ID: 1, Name: "a", SSN: "1", Mail: ptr("m"), Notes: "x"}, {ID: 2, Name: "b", SSN: "1", Mail: ptr("m")}, {ID: 3},
		}).Exec(ctx)))
		require.NoError(t, exec(a.NewUpdate().Model((*Patient)(nil)).Set("ssn = '2'").Where("id = 1").Exec(ctx)))
		require.NoError(t, exec(a.NewUpdate().Model((*Patient)(nil)).Set("mail = 'n'").Where("id = 1").Exec(ctx)))
		require.NoError(t, exec(a.NewUpdate().Model((*Patient)(nil)).Set("mail = NULL").Where("id = 1").Exec(ctx)))
		require.NoError(t, exec(a.NewUpdate().Model((*Patient)(nil)).Set("notes = 'n'").Where("id = 1").Exec(ctx)))
		require.NoError(t, exec(a.NewDelete().Model((*Patient)(nil)).Where("id = 1").Exec(ctx)))

		events := a.events(t)
		require.Len(t, events, 7)
		m, n := events[0].Changes["mail"].New, events[4].Changes["mail"].New
		require.Regexp(t, `^"hmac-sha256:[0-9a-f]{64}"$`, string(m))
		require.Regexp(t, `^"hmac-sha256:[0-9a-f]{64}"$`, string(n))
		require.NotEqual(t, m, n)
		require.Equal(t, []string{
			fmt.Sprintf(`insert patients {"id":1}: full_name -> "a", mail [hash] -> %s, ssn [redact]`, m),
			fmt.Sprintf(`insert patients {"id":2}: full_name -> "b", mail [hash] -> %s, ssn [redact]`, m),
			`insert patients {"id":3}: full_name -> "", mail [hash] -> null, ssn [redact]`,
			`update patients {"id":1}: ssn [redact]`,
			fmt.Sprintf(`update patients {"id":1}: mail [hash] %s -> %s`, m, n),
			fmt.Sprintf(`update patients {"id":1}: mail [hash] %s -> null`, n),
			`delete patients {"id":1}: full_name "a", mail [hash] null, ssn [redact]`,
		}, storyOf(events))
		for _, e := range events {
			require.Equal(t, "Patientin", e.Model)
		}
	})
}

// These models' tags can't be read.
type (
	unknownValue struct {
		bun.BaseModel `bun:"table:bad,audit:everything"`
		ID            int64 `bun:",pk"`
	}
	unknownOption struct {
		bun.BaseModel `bun:"table:bad,audit"`
		ID            int64  `bun:",pk"`
		Name          string `bun:",audit_foo"`
	}
	noKey struct {
		bun.BaseModel `bun:"table:bad,audit"`
		Name          string
	}
	hashWithoutKey struct {
		bun.BaseModel `bun:"table:bad,audit"`
		ID            int64  `bun:",pk"`
		Name          string `bun:",audit:hash"`
	}
	redactedKey struct {
		bun.BaseModel `bun:"table:bad,audit"`
		ID            int64 `bun:",pk,audit:redact"`
	}
	labelOnField struct {
		bun.BaseModel `bun:"table:bad,audit"`
		ID            int64  `bun:",pk"`
		Name          string `bun:",audit_label:X"`
	}
	emptyLabel struct {
		bun.BaseModel `bun:"table:bad,audit,audit_label"`
		ID            int64 `bun:",pk"`
	}
	keyOnBase struct {
		bun.BaseModel `bun:"table:bad,audit,audit_key"`
		ID            int64 `bun:",pk"`
	}
	nothingAudited struct {
		bun.BaseModel `bun:"table:bad,audit_label:X"`
		ID            int64 `bun:",pk"`
	}
	contradiction struct {
		bun.BaseModel `bun:"table:bad,audit:-"`
		ID            int64  `bun:",pk"`
		Name          string `bun:",audit"`
	}
	namedAudit struct {
		bun.BaseModel `bun:"table:bad"`
		ID            int64  `bun:",pk"`
		Name          string `bun:"audit"`
	}
	noColumn struct {
		bun.BaseModel `bun:"table:bad,audit"`
		ID            int64  `bun:",pk"`
		Name          string `bun:",scanonly,audit"`
	}
	emptyWas struct {
		bun.BaseModel `bun:"table:bad,audit"`
		ID            int64  `bun:",pk"`
		Name          string `bun:",audit_was"`
	}
	wasIsThere struct {
		bun.BaseModel `bun:"table:bad,audit"`
		ID            int64  `bun:",pk"`
		Name          string `bun:",audit_was:id"`
	}
	wasTwice struct {
		bun.BaseModel `bun:"table:bad,audit"`
		ID            int64  `bun:",pk"`
		Name          string `bun:",audit_was:x"`
		Nick          string `bun:",audit_was:x"`
	}
	wasUntracked struct {
		bun.BaseModel `bun:"table:bad,audit"`
		ID            int64  `bun:",pk"`
		Name          string `bun:",audit:-,audit_was:x"`
	}
)

func TestATagThatCannotBeReadIsAnError(t *testing.T) {
	bad := []any{
		&unknownValue{}, &unknownOption{}, &noKey{}, &hashWithoutKey{}, &redactedKey{}, &labelOnField{},
		&emptyLabel{}, &keyOnBase{}, &nothingAudited{}, &contradiction{}, &namedAudit{}, &noColumn{},
		&emptyWas{}, &wasIsThere{}, &wasTwice{}, &wasUntracked{},
	}
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		for _, m := range bad {
			pool := db.Open(t)
			hook := bunaudit.New(bunaudit.Config{Sink: sink.Discard{}, Models: []any{m}, BunLog: new(bunLog)})
			pool.AddQueryHook(hook)
			require.ErrorContains(t, hook.Check(t.Context()), strings.TrimPrefix(fmt.Sprintf("%T", m), "*bunaudit_test.")[1:], "%T", m)

			unseen := db.Open(t) // the model is met at first use
			unseen.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: sink.Discard{}, BunLog: new(bunLog)}))
			err := exec(unseen.NewInsert().Model(m).Exec(t.Context()))
			require.ErrorContains(t, err, "bunaudit: ", "%T", m)
			require.NotContains(t, err.Error(), "no such table", "%T", m)
			require.NotContains(t, err.Error(), "does not exist", "%T", m)
			require.NoError(t, unseen.NewSelect().ColumnExpr("1").Scan(t.Context(), new(int)))
		}
	})
}

// bunLog keeps Bun's log.
type bunLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *bunLog) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func TestBunsLogKeepsWhatIsNotOurs(t *testing.T) {
	type misspelt struct {
		bun.BaseModel `bun:"table:misspelt,audit,audit_label:M,bar"`
		ID            int64  `bun:",pk,audit_key"`
		Name          string `bun:",audit:redact,foo"`
	}
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		log := new(bunLog)
		a := newAudited(t, db, bunaudit.Config{BunLog: log})
		t.Cleanup(func() { bun.SetLogger(bunaudit.Logger(nil)) })
		require.NoError(t, exec(a.NewCreateTable().Model((*misspelt)(nil)).Exec(t.Context())))
		require.Len(t, log.lines, 2)
		require.Contains(t, log.lines[0]+log.lines[1], `unknown tag option: "foo"`)
		require.Contains(t, log.lines[0]+log.lines[1], `unknown tag option: "bar"`)
	})
}

// Under the race detector: Bun's logger has no lock.
func TestHooksAreMadeWhileBunIsInUse(t *testing.T) {
	type tagged struct {
		bun.BaseModel `bun:"table:tagged,audit"`
		ID            int64 `bun:",pk"`
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			bunaudit.New(bunaudit.Config{Sink: sink.Discard{}})
			bun.NewDB(nil, sqlitedialect.New()).Table(reflect.TypeFor[tagged]()) // which warns
		})
	}
	all.Wait()
}

func TestAConfigurationThatCannotWork(t *testing.T) {
	for want, cfg := range map[string]bunaudit.Config{
		"Config.Sink is missing":                     {},
		"Config.Sink is a *sqlsink.Sink that is nil": {Sink: (*sqlsink.Sink)(nil)},
		"Config.Sink is a sink.Func that is nil":     {Sink: sink.Func(nil)},
		"Config.BunLog is a *log.Logger that is nil": {Sink: sink.Discard{}, BunLog: (*log.Logger)(nil)},
		"Config.HashKey":                             {Sink: sink.Discard{}, HashKey: []byte("short")},
		"Config.Models":                              {Sink: sink.Discard{}, Models: []any{7}},
	} {
		require.ErrorContains(t, cfg.Validate(), want)
		require.PanicsWithValue(t, cfg.Validate().Error(), func() { bunaudit.New(cfg) })
	}
	require.Panics(t, func() { bunaudit.Degrade(nil) })
	require.ErrorContains(t, bunaudit.New(bunaudit.Config{Sink: sink.Discard{}}).Check(t.Context()), "*bun.DB")
}

func TestCheckFindsWhatIsMissing(t *testing.T) {
	type Extended struct {
		bun.BaseModel `bun:"table:customers,audit"`
		ID            int64     `bun:",pk"`
		Added         time.Time `bun:",nullzero"`
	}
	cases := map[string]struct {
		models []any
		before string
		want   []string
	}{
		"nothing":         {models: []any{(*Customer)(nil)}},
		"the audit table": {models: []any{(*Customer)(nil)}, before: "DROP TABLE audit_events", want: []string{"audit_events"}},
		"a table":         {models: []any{(*Customer)(nil), (*Note)(nil)}, want: []string{"Note", "notes"}},
		"a column":        {models: []any{(*Extended)(nil)}, want: []string{"Extended", "added"}},
		"two things":      {models: []any{(*Note)(nil)}, before: "DROP TABLE audit_events", want: []string{"audit_events", "notes"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, db *testdb.DB) {
				a := newAudited(t, db, bunaudit.Config{Models: c.models}, (*Customer)(nil))
				if c.before != "" {
					require.NoError(t, exec(db.ExecContext(t.Context(), c.before)))
				}
				err := a.hook.Check(t.Context())
				if c.want == nil {
					require.NoError(t, err)
					return
				}
				for _, part := range c.want {
					require.ErrorContains(t, err, part)
				}
				done, cancel := context.WithCancel(t.Context())
				cancel()
				require.Error(t, a.hook.Check(done))
			})
		})
	}
}

// Raw SQL on the table of a model that nobody has listed passes until the model
// is used, which Check then tells of.
func TestCheckFindsModelsThatAreNotListed(t *testing.T) {
	everyWay(t, func(t *testing.T, db *testdb.DB) {
		listed := newAudited(t, db, bunaudit.Config{Models: []any{(*Customer)(nil)}}, (*Customer)(nil), (*Stock)(nil), (*Ledger)(nil))
		unlisted := newAudited(t, db, bunaudit.Config{})
		for _, a := range []*audited{listed, unlisted} {
			require.NoError(t, raw("INSERT INTO stock (sku, n) VALUES (?, 1)", fmt.Sprintf("%p", a))(t.Context(), a))
			require.Empty(t, a.story(t))
			require.NoError(t, a.hook.Check(t.Context()))
			for _, m := range []any{(*Stock)(nil), (*Ledger)(nil)} {
				require.NoError(t, exec(a.NewUpdate().Model(m).Set("id = id").Where("1 = 0").Exec(t.Context())))
			}
		}
		require.NoError(t, unlisted.hook.Check(t.Context()))
		err := listed.hook.Check(t.Context())
		require.ErrorContains(t, err, "check model Stock: it is audited, but Config.Models doesn't list it")
		require.NotContains(t, err.Error(), "Ledger")
	})
}

// A model that somebody lists is meant to be audited: that the tag was
// forgotten would show nowhere else.
func TestCheckFindsListedModelsWithoutATag(t *testing.T) {
	a := newAudited(t, testdb.New(t, testdb.SQLite), bunaudit.Config{Models: []any{(*Customer)(nil), (*Ledger)(nil)}}, (*Customer)(nil), (*Ledger)(nil))
	require.EqualError(t, a.hook.Check(t.Context()),
		"bunaudit: check model Ledger: Config.Models lists it, but it has no tag audit: nothing of it is recorded")
}
