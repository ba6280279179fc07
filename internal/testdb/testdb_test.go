package testdb_test

import (
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/sqlaudit/bun/internal/testdb"
)

var _ bun.IDB = (*testdb.DB)(nil)

type thing struct {
	bun.BaseModel `bun:"table:things"`

	ID   int64 `bun:",pk,autoincrement"`
	Name string
}

func TestAnotherPoolSeesTheSameDatabase(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		createThings(t, db)
		n, err := db.Open(t).NewSelect().Model((*thing)(nil)).Count(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 1, n)
	})
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		createThings(t, db)
		other := testdb.New(t, db.Backend)
		createThings(t, other) // fails where the table is there already
	})
}

func TestOpenWithLimitsThePool(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		assert.Equal(t, 1, db.OpenWith(t, 1).Stats().MaxOpenConnections)
		assert.Zero(t, db.Open(t).Stats().MaxOpenConnections)
	})
}

func TestPoolsWriteAtTheSameTime(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		createThings(t, db)
		var wg sync.WaitGroup
		for range 4 {
			pool := db.Open(t)
			wg.Go(func() {
				for range 25 {
					_, err := pool.NewInsert().Model(&thing{Name: "x"}).Exec(t.Context())
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		n, err := db.NewSelect().Model((*thing)(nil)).Count(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 101, n)
	})
}

func TestForeignKeysAreEnforced(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		createThings(t, db)
		_, err := db.ExecContext(t.Context(), "CREATE TABLE parts (id int PRIMARY KEY, thing_id bigint REFERENCES things (id))")
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "INSERT INTO parts VALUES (1, 4711)")
		assert.Error(t, err)
	})
}

func TestKilledConnectionsFailAndThePoolRecovers(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer func() { _ = tx.Rollback() }()
		db.KillConnections(t)
		_, err = tx.ExecContext(t.Context(), "SELECT 1")
		require.Error(t, err)
		createThings(t, db)
	})
}

func TestNewSchemaIsDroppedAfterTheTest(t *testing.T) {
	testdb.Run(t, func(t *testing.T, db *testdb.DB) {
		var name string
		t.Run("create", func(t *testing.T) {
			name = db.NewSchema(t)
			_, err := db.NewRaw("CREATE SCHEMA ?", bun.Ident(name)).Exec(t.Context())
			require.NoError(t, err)
		})
		if name == "" {
			t.Skip("no schemas")
		}
		n, err := db.NewSelect().Table("information_schema.schemata").Where("schema_name = ?", name).Count(t.Context())
		require.NoError(t, err)
		assert.Zero(t, n)
	})
}

// A missing server must be seen: skipped by default, a failure where a run has
// promised all databases. The test runs itself in a process without a server.
func TestMissingServer(t *testing.T) {
	for name, tt := range map[string]struct {
		require string
		want    string
		fails   bool
	}{
		"is a skip that says what to do":          {want: "--- SKIP: TestOpenWithLimitsThePool/"},
		"is a failure where servers are required": {require: "1", want: "--- FAIL: TestOpenWithLimitsThePool/", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOpenWithLimitsThePool$", "-test.v")
			cmd.Env = append(os.Environ(), "BUNAUDIT_TEST_POSTGRES=", "BUNAUDIT_TEST_MARIADB=", "BUNAUDIT_TEST_REQUIRE="+tt.require)
			out, err := cmd.CombinedOutput()
			assert.Equal(t, tt.fails, err != nil)
			for backend, sentence := range map[string]string{
				testdb.Postgres: "BUNAUDIT_TEST_POSTGRES is not set: give it the URL",
				testdb.MariaDB:  "BUNAUDIT_TEST_MARIADB is not set: give it the data source name",
			} {
				assert.Contains(t, string(out), tt.want+backend)
				assert.Contains(t, string(out), sentence)
			}
		})
	}
}

func createThings(t *testing.T, db *testdb.DB) {
	t.Helper()
	_, err := db.NewCreateTable().Model((*thing)(nil)).Exec(t.Context())
	require.NoError(t, err)
	_, err = db.NewInsert().Model(&thing{Name: "first"}).Exec(t.Context())
	require.NoError(t, err)
}
