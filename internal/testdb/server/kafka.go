package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// kafkaPOM names the parts of Apache Kafka that a broker needs, for Maven.
const kafkaPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bunaudit</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + kafkaVersion + `</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>` + kafkaVersion + `</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

const kafkaVersion = "4.1.0"

// withoutKafka is what can be done where it can't be had.
const withoutKafka = "set BUNAUDIT_TEST_KAFKA to use a broker of yours, or leave -kafka out"

// kafkaNode is what makes a broker one of a cluster. The first one is the controller too, and has a listener for clients that
// log in.
type kafkaNode struct {
	id         int
	cluster    string
	controller int // its port
}

// startKafka starts Apache Kafka in one process, which is broker and controller, from the jars that Maven downloads; or a
// second broker, where there is a first one. Topics are created by the tests, not by the first message to them.
//
// One that is going to be killed and started again starts faster, and then runs slower.
func startKafka(ctx context.Context, restarts bool, first *server) (_ *server, err error) {
	java, err := findOrInstall(ctx, "java", withoutKafka, "default-jdk-headless")
	if err != nil {
		return nil, err
	}
	s, err := newServer("Kafka "+kafkaVersion, syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = s.stop() // The first error is the one to see.
		}
	}()

	s.stops = map[string]syscall.Signal{"fast": syscall.SIGTERM, "immediate": syscall.SIGKILL}
	libs := filepath.Join(s.dir, "libs")
	if err := unpackKafka(ctx, libs); err != nil {
		return nil, err
	}
	data, err := s.mkdir("data")
	if err != nil {
		return nil, err
	}
	login, err := newKafkaSASL(s)
	if err != nil {
		return nil, err
	}
	s.node = kafkaNode{id: 1, cluster: newClusterID()}
	if first != nil {
		s.node = kafkaNode{id: first.node.id + 1, cluster: first.node.cluster, controller: first.node.controller}
	}
	// All that Kafka's tool for it would do takes a JVM of its own.
	meta := fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=%d\n", s.node.cluster, s.node.id)
	if _, err := s.write("data/meta.properties", meta); err != nil {
		return nil, err
	}
	return s, s.launch(ctx, kafkaAnswers, java, func(port int) ([]string, error) {
		loginPort := 0
		if first == nil {
			var err, loginErr error
			s.node.controller, err = freePort()
			loginPort, loginErr = freePort()
			if err := errors.Join(err, loginErr); err != nil {
				return nil, err
			}
			s.also = map[string]string{"BUNAUDIT_TEST_KAFKA_SASL": login.dsn(loginPort)}
		}
		// Performance data would go to a directory below /tmp that stays.
		flags := []string{"-XX:-UsePerfData", "-Xmx512m"}
		if restarts {
			flags = append(flags, "-XX:TieredStopAtLevel=1")
		}
		properties, err := s.write("server.properties", s.kafkaProperties(data, port, loginPort, login))
		return append(flags, "-cp", filepath.Join(libs, "*"), "kafka.Kafka", properties), err
	}, func(port int) string {
		return fmt.Sprintf("127.0.0.1:%d", port)
	})
}

// secondTakes is the most bytes of a request that the second broker takes. It hangs up on who sends more.
const secondTakes = 2 << 20

// kafkaProperties is the broker's configuration. After a crash the controller takes the broker back only when its session
// has timed out, so that is short.
func (s *server) kafkaProperties(data string, port, loginPort int, login kafkaSASL) string {
	clients := fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", port)
	roles, listeners, more := "broker", clients, fmt.Sprintf("socket.request.max.bytes=%d\n", secondTakes)
	if s.node.id == 1 {
		clients += fmt.Sprintf(",SASL_SSL://127.0.0.1:%d", loginPort)
		roles, listeners, more = "broker,controller", fmt.Sprintf("%s,CONTROLLER://127.0.0.1:%d", clients, s.node.controller), login.properties()
	}
	return fmt.Sprintf(`process.roles=%s
node.id=%d
controller.quorum.voters=1@127.0.0.1:%d
listeners=%s
advertised.listeners=%s
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
log.dirs=%s
num.partitions=6
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=300
broker.session.timeout.ms=1500
auto.create.topics.enable=false
%s`, roles, s.node.id, s.node.controller, listeners, clients, data, more)
}

// newClusterID returns a random id in the form that Kafka wants: 16 bytes in base64 for URLs.
func newClusterID() string {
	sum := sha256.Sum256([]byte(newPassword()))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// unpackKafka fetches the jars, unless an earlier run has, and copies them into dir, where the server's user can read
// them.
func unpackKafka(ctx context.Context, dir string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	jars := filepath.Join(cache, "bunaudit", "kafka-"+kafkaVersion)
	if _, err := os.Stat(jars); errors.Is(err, os.ErrNotExist) {
		if err := fetchKafka(ctx, jars); err != nil {
			return err
		}
	}
	return os.CopyFS(dir, os.DirFS(jars))
}

// fetchKafka downloads the jars into a directory that has its name only when it is complete.
func fetchKafka(ctx context.Context, jars string) error {
	mvn, err := findOrInstall(ctx, "mvn", withoutKafka, "maven")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(jars), 0o755); err != nil { //nolint:gosec // A cache of public downloads.
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(jars), "kafka-download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // What stays is in a cache.
	if err := os.WriteFile(filepath.Join(tmp, "pom.xml"), []byte(kafkaPOM), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, mvn, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs")
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("can't get Apache Kafka %s from Maven Central, %s: %w\n%s", kafkaVersion, withoutKafka, err, out)
	}
	libs := filepath.Join(tmp, "libs")
	if err := os.Chmod(libs, 0o755); err != nil { //nolint:gosec // As above.
		return err
	}
	if err := os.Rename(libs, jars); err != nil && !errors.Is(err, os.ErrExist) { // another run was faster
		return err
	}
	return nil
}

// kafkaAnswers asks the broker which requests it knows: the first thing that any client does.
func kafkaAnswers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // It has done its work.
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	const apiVersions, correlation = 18, 7
	request := binary.BigEndian.AppendUint32(nil, 10)             // bytes that follow
	request = binary.BigEndian.AppendUint16(request, apiVersions) // version 0 of it, and a client without a name:
	request = append(binary.BigEndian.AppendUint32(append(request, 0, 0), correlation), 0xff, 0xff)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	var response [10]byte // size, correlation, error code
	if _, err := io.ReadFull(conn, response[:]); err != nil {
		return err
	}
	if got := binary.BigEndian.Uint32(response[4:]); got != correlation {
		return errors.New("the answer is another one's: " + strconv.Itoa(int(got)))
	}
	if code := binary.BigEndian.Uint16(response[8:]); code != 0 {
		return fmt.Errorf("the broker answers with error %d", code)
	}
	return nil
}
