package judge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sqlaudit/bun/internal/testdb"
	"github.com/sqlaudit/bun/internal/testkafka"
	kafkasink "github.com/sqlaudit/bun/sink_kafka"
	sqlsink "github.com/sqlaudit/bun/sink_sql"
)

// secured is the listener of the real broker that wants TLS and a login.
type secured struct {
	address, user, password string
	tls                     *tls.Config
}

func securedListener(t testing.TB) secured {
	t.Helper()
	testkafka.Broker(t)
	text := os.Getenv("BUNAUDIT_TEST_KAFKA_SASL")
	if text == "" { // set with every broker that the tests start themselves
		t.Skip("BUNAUDIT_TEST_KAFKA_SASL is not set: leave BUNAUDIT_TEST_KAFKA unset and run make test, which starts a broker with TLS and SASL")
	}
	u, err := url.Parse(text)
	require.NoError(t, err)
	certificate, err := os.ReadFile(u.Path)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(certificate))
	password, _ := u.User.Password()
	return secured{u.Host, u.User.Username(), password, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
}

// rotating is a mechanism of the user's own, whose password changes while it is in use.
type rotating struct {
	now *atomic.Pointer[plain.Mechanism]
}

func (rotating) Name() string { return "PLAIN" }

func (r rotating) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	return r.now.Load().Start(ctx)
}

// On Apache Kafka with TLS: a relay whose password is wrong says so and loses nothing, and goes on by itself once it is
// right, whichever side has corrected it. A mirror reads by the same login.
func TestLoginByTLSWrongThenRight(t *testing.T) {
	t.Parallel()
	listener := securedListener(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(testkafka.Broker(t)))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)

	const user, password = "relay", "the right one"
	// set gives the broker's user a password.
	set := func(t testing.TB, mechanism kadm.ScramMechanism, user, password string) {
		res, err := admin.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: mechanism, Iterations: 4096, Password: password}})
		require.NoError(t, err)
		require.NoError(t, res.Error())
	}
	scramLogin := func(algorithm scram.Algorithm, mechanism kadm.ScramMechanism, user string) func(t testing.TB) (sasl.Mechanism, func()) {
		return func(t testing.TB) (sasl.Mechanism, func()) {
			set(t, mechanism, user, "another")
			m, err := scram.Mechanism(algorithm, user, password)
			require.NoError(t, err)
			return m, func() { set(t, mechanism, user, password) }
		}
	}
	for name, login := range map[string]func(t testing.TB) (mechanism sasl.Mechanism, correct func()){
		"PLAIN": func(testing.TB) (sasl.Mechanism, func()) {
			r := rotating{new(atomic.Pointer[plain.Mechanism])}
			r.now.Store(&plain.Mechanism{Username: listener.user, Password: password})
			return r, func() { r.now.Store(&plain.Mechanism{Username: listener.user, Password: listener.password}) }
		},
		"SCRAM-SHA-256": scramLogin(scram.SHA256, kadm.ScramSha256, user+"256"),
		"SCRAM-SHA-512": scramLogin(scram.SHA512, kadm.ScramSha512, user+"512"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mechanism, correct := login(t)
			cfg := config(t, listener.address)
			cfg.Topic, cfg.TLS, cfg.SASL = testkafka.Topic(t, 3), listener.tls, mechanism
			db, s := outbox(t, cfg, 5)
			relay := start(t, db, s, 100)
			eventually(t, "nothing is said of the login", func() bool { return relay.Stats().LastError != nil })
			for _, err := range []error{relay.Stats().LastError, relay.Check(t.Context())} {
				require.ErrorContains(t, err, "Config.SASL")
				assert.NotContains(t, err.Error(), password)
			}
			assert.Equal(t, 50, pending(t, db))

			correct()
			eventually(t, "the outbox is not empty", func() bool { return pending(t, db) == 0 })
			require.NoError(t, relay.Check(t.Context()))
			assert.Len(t, testkafka.Read(t, testkafka.Broker(t), cfg.Topic), 50)

			archive := testdb.New(t, testdb.SQLite)
			history := sqlsink.New()
			require.NoError(t, history.CreateTable(t.Context(), archive))
			mirror := kafkasink.NewMirror(archive.DB, history, cfg, kafkasink.MirrorConfig{})
			require.NoError(t, mirror.CreateTable(t.Context(), archive))
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- mirror.Run(ctx) }()
			eventually(t, "the events are not mirrored", func() bool { return mirror.Stats().Stored == 50 })
			stop()
			require.NoError(t, <-ended)
		})
	}
}

// What is wrong with TLS is said in a sentence that names the setting.
func TestTLSThatCantWorkIsExplained(t *testing.T) {
	t.Parallel()
	listener := securedListener(t)
	login := plain.Mechanism{Username: listener.user, Password: listener.password}
	for name, c := range map[string]struct {
		address string
		tls     *tls.Config
		want    string
	}{
		"authority unknown": {listener.address, &tls.Config{MinVersion: tls.VersionTLS12}, "Config.TLS doesn't trust"},
		"no TLS":            {listener.address, nil, "Config.TLS"},
		"TLS not expected":  {testkafka.Broker(t), listener.tls, "Config.TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, c.address)
			cfg.TLS, cfg.SASL = c.tls, login
			db, s := outbox(t, cfg, 1)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := kafkasink.NewRelay(db.DB, s, kafkasink.RelayConfig{}).Check(ctx)
			require.ErrorContains(t, err, c.want)
			t.Log(err)
		})
	}
}

// An operator corrects the password at the broker: the relay needs no restart.
func TestCredentialsWrongThenRight(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]func(c *kafkasink.Config) error{
		"PLAIN": func(c *kafkasink.Config) error {
			c.SASL = &plain.Mechanism{Username: "relay", Password: "secret"}
			return nil
		},
		"SCRAM-SHA-256": func(c *kafkasink.Config) (err error) {
			c.SASL, err = scram.Mechanism(scram.SHA256, "relay", "secret")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := cluster(t, kfake.EnableSASL(), kfake.Superuser(name, "relay", "other"))
			c := config(t, wrong.ListenAddrs()...)
			require.NoError(t, cfg(&c))
			db, s := outbox(t, c, 1)
			r := kafkasink.NewRelay(db.DB, s, kafkasink.RelayConfig{})
			err := r.Check(t.Context())
			require.ErrorContains(t, err, "Config.SASL")
			assert.NotContains(t, err.Error(), "secret")

			right := cluster(t, kfake.EnableSASL(), kfake.Superuser(name, "relay", "secret"))
			c.Brokers = right.ListenAddrs()
			start(t, db, kafkasink.New(c), 100)
			eventually(t, "the outbox is not empty", func() bool { return pending(t, db) == 0 })
		})
	}
}
