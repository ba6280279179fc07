package kafkasink_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/sqlaudit/bun/bunaudit"
	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

const (
	crash  = "immediate"
	pause  = "pause" // as a machine that hangs
	resume = "resume"
)

// servers are a database and two brokers of the test's own, which it may kill.
type servers struct {
	postgres, kafka, second                      string
	controlPostgres, controlKafka, controlSecond string
}

func startServers(t *testing.T) servers {
	t.Helper()
	testkafka.Broker(t) // where there are none there is no way to start them either
	program := os.Getenv("BUNAUDIT_TEST_SERVER")
	if program == "" {
		program = filepath.Join(t.TempDir(), "server")
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir = filepath.Join("..", "internal", "testdb", "server")
		out, err := build.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	cmd := exec.Command(program, "run", "-kafka", "-second", "-control", "--", "sh", "-c",
		"for s in POSTGRES KAFKA_SECOND KAFKA; do eval echo \\$BUNAUDIT_TEST_$s; eval echo \\$BUNAUDIT_TEST_${s}_CONTROL; done; cat")
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "BUNAUDIT_TEST_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Stderr = logged{t}
	stdin, err := cmd.StdinPipe() // its end is the command's
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		assert.NoError(t, cmd.Wait())
	})
	var s servers
	lines := bufio.NewReader(stdout)
	for _, into := range []*string{&s.postgres, &s.controlPostgres, &s.second, &s.controlSecond, &s.kafka, &s.controlKafka} {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		*into = strings.TrimSpace(line)
	}
	return s
}

// order has something done to a server, see internal/testdb/server, and returns when
// it is: crash kills it and starts it again.
func order(t testing.TB, control, what string) {
	t.Helper()
	conn, err := net.Dial("unix", control)
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintln(conn, what)
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "ok\n", string(answer))
}

// lead has a broker lead all partitions of a topic that two have.
func lead(t testing.TB, client *kafka.Client, topic string, partitions []int, broker int) {
	t.Helper()
	var all []kafka.AlterPartitionReassignmentsRequestAssignment
	for _, p := range partitions {
		all = append(all, kafka.AlterPartitionReassignmentsRequestAssignment{PartitionID: p, BrokerIDs: []int{broker, 3 - broker}})
	}
	eventually(t, "the leaders do not move", func() bool {
		_, err := client.AlterPartitionReassignments(t.Context(), &kafka.AlterPartitionReassignmentsRequest{Topic: topic, Assignments: all, Timeout: 5 * time.Second})
		require.NoError(t, err)
		_, err = client.ElectLeaders(t.Context(), &kafka.ElectLeadersRequest{Topic: topic, Partitions: partitions, Timeout: 5 * time.Second})
		require.NoError(t, err)
		client.Transport.(*kafka.Transport).CloseIdleConnections() // and what they know
		meta, err := client.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{topic}})
		require.NoError(t, err)
		for _, p := range meta.Topics[0].Partitions {
			if p.Leader.ID != broker {
				return false
			}
		}
		return true
	})
}

// It is in the first file, so that what takes longest begins first.
func TestServersFail(t *testing.T) {
	t.Parallel()
	own := startServers(t)
	t.Run("a broker is silent", func(t *testing.T) { brokerIsSilent(t, own, 2) })
	t.Run("the controller is silent", func(t *testing.T) { brokerIsSilent(t, own, 1) })
	t.Run("a broker hangs up", func(t *testing.T) { brokerHangsUp(t, own) })
	t.Run("leaders move and servers are killed", func(t *testing.T) { leadersMoveAndServersAreKilled(t, own) })
}

// insertInBulk adds n customers at a time, so that there are batches on their way all the
// time, until the function that it returns is called. The database may be down.
func (s *service) insertInBulk(n int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			many := make([]Customer, n)
			_, _ = s.NewInsert().Model(&many).Exec(context.WithoutCancel(ctx))
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// The leaders of the partitions move, and a broker and the database are killed,
// while service, relay and mirror work.
func leadersMoveAndServersAreKilled(t *testing.T, own servers) {
	open := func() *bun.DB {
		db := bun.NewDB(sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(own.postgres))), pgdialect.New())
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	db := &testdb.DB{DB: open(), Backend: testdb.Postgres}
	topic := "audit"
	testkafka.CreateReplicated(t, own.kafka, topic, 3, 2)
	cfg := configured(t, kafkasink.Config{Brokers: []string{own.kafka, own.second}, Topic: topic, Timeout: 3 * time.Second})
	history := sqlsink.New()
	require.NoError(t, history.CreateTable(t.Context(), db))
	s := &service{DB: open(), plain: db, sink: kafkasink.New(cfg), topic: topic}
	require.NoError(t, s.sink.CreateTable(t.Context(), db))
	s.AddQueryHook(bunaudit.New(bunaudit.Config{Sink: s.sink}))
	_, err := db.NewCreateTable().Model((*Customer)(nil)).Exec(t.Context())
	require.NoError(t, err)
	relay := kafkasink.NewRelay(open(), s.sink, quick())
	start(t, relay)
	m := kafkasink.NewMirror(open(), history, cfg, kafkasink.MirrorConfig{})
	require.NoError(t, m.CreateTable(t.Context(), db))
	run(t, m)

	stop := s.work(t, 3, 5)
	client := testkafka.Client(t, own.kafka)
	for _, broker := range []int{1, 2, 1, 2} {
		lead(t, client, topic, []int{0, 1, 2}, broker)
		time.Sleep(100 * time.Millisecond)
	}
	eventually(t, "no leader has moved under the relay's hands", func() bool { return relay.Stats().Retries > 0 })
	stopBulk := s.insertInBulk(100)
	for _, control := range []string{own.controlSecond, own.controlPostgres} { // the second leads
		time.Sleep(500 * time.Millisecond)
		before := relay.Stats()
		order(t, control, crash)
		assert.Greater(t, relay.Stats().LastErrorAt, before.LastErrorAt, "nothing was on its way")
	}
	time.Sleep(500 * time.Millisecond)
	stopBulk()
	// A commit whose answer got lost is committed, or not: count what there is.
	atLeast := stop()
	s.drain(t)
	rows := firsts(t, decoded(t, testkafka.Read(t, own.kafka, topic)))
	var scores, published int
	require.NoError(t, db.NewSelect().Model((*Customer)(nil)).ColumnExpr("sum(score) + count(*)").Scan(t.Context(), &scores))
	for _, events := range rows {
		published += len(events)
	}
	assert.GreaterOrEqual(t, scores, atLeast)
	assert.Equal(t, scores, published)
	chained(t, rows, "score")
	mirrored(t, db, published)
}
