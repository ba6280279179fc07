package kafkasink

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
)

// Why a mirror can't go on. Tell them by errors.Is. The way on is
// [Mirror.Restart].
var (
	// ErrGap means that messages were deleted from the topic before the mirror had
	// read them: it was down for longer than the topic keeps them.
	ErrGap = errors.New("messages were deleted before they were mirrored")

	// ErrRecreated means that the topic isn't the one that the mirror has read: it
	// was deleted and created again, or has lost its end.
	ErrRecreated = errors.New("the topic was deleted and created again, or has lost its end")
)

const (
	fetchBytes = 1 << 20
	fetchWait  = 500 * time.Millisecond
)

// reader is the mirroring of one partition.
type reader struct {
	m        *Mirror
	at       Partition
	position position
	loaded   bool // the position is the one of the database
	verified bool // and the topic is the one that it is about
}

// mirror reads one partition until ctx ends, or until it can't go on without
// leaving something out.
func (m *Mirror) mirror(ctx context.Context, at Partition) error {
	r := &reader{m: m, at: at}
	for tries := 0; ctx.Err() == nil; {
		err := r.step(ctx)
		switch {
		case err == nil:
			tries = 0
		case ctx.Err() != nil:
		case errors.Is(err, ErrGap), errors.Is(err, ErrRecreated), errors.Is(err, ErrCompacted):
			return err
		case errors.Is(err, errMoved): // another mirror has stored these
			r.loaded = false
		default:
			tries++
			m.failed(ctx, "kafkasink: can't mirror for now", fmt.Errorf("%s: %w", place{at.Topic, at.Partition}, err))
			m.client.renew()
			r.loaded, r.verified = false, false
			pause(ctx, backoff(tries, maxMirrorBackoff), nil)
		}
	}
	return nil
}

// step fetches messages, if there are some, and stores them.
func (r *reader) step(ctx context.Context) error {
	if !r.loaded {
		p, err := r.m.load(ctx, r.at)
		if err != nil {
			return err
		}
		r.position, r.loaded = p, true
	}
	if !r.verified {
		if err := r.verify(ctx); err != nil {
			return err
		}
		r.verified = true
	}
	messages, end, err := r.fetch(ctx, r.position.next)
	if errors.Is(err, kafka.OffsetOutOfRange) {
		r.verified = false // and say what it is
		return nil
	}
	if err != nil {
		return err
	}
	if len(messages) > 0 {
		if r.position, err = r.m.store(ctx, r.at, r.position, messages); err != nil {
			r.loaded = false
			return err
		}
	}
	r.m.mu.Lock()
	r.m.figures.Lag[r.at] = max(0, end-r.position.next)
	r.m.mu.Unlock()
	return nil
}

// verify makes sure that the topic goes on where the mirror has stopped, and is
// the same one: that the last message that was read is there still, unless it is
// older than the topic keeps messages.
func (r *reader) verify(ctx context.Context) error {
	info, err := r.m.client.describe(ctx, r.at.Topic)
	if err != nil {
		return err
	}
	if err := info.blocking(); err != nil {
		return err
	}
	first, last, err := r.bounds(ctx)
	if err != nil {
		return err
	}
	next := r.position.next
	where := place{r.at.Topic, r.at.Partition}
	switch {
	case !r.position.stored:
		r.position.next = first
		return nil
	case next > last:
		return fmt.Errorf("%s: %w: the mirror has read up to offset %d, and it ends at %d; Mirror.Restart reads it from its start", where, ErrRecreated, next, last)
	case next < first:
		return fmt.Errorf("%s: %w: offsets %d to %d are missing; Mirror.Restart goes on without them", where, ErrGap, next, first-1)
	case next == first || r.position.digest == "":
		return nil
	}
	messages, _, err := r.fetch(ctx, next-1)
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return nil // deleted just now
	}
	if err != nil {
		return err
	}
	if len(messages) == 0 {
		return errors.New("the broker doesn't give the last message that was mirrored")
	}
	if messages[0].Offset == next-1 && digest(&messages[0]) != r.position.digest {
		return fmt.Errorf("%s: %w: at offset %d is another message than was mirrored; Mirror.Restart reads it from its start", where, ErrRecreated, next-1)
	}
	return nil
}

// bounds returns the first offset of the partition and the one after its last.
func (r *reader) bounds(ctx context.Context) (first, last int64, err error) {
	res, err := r.m.client.session().ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		r.at.Topic: {kafka.FirstOffsetOf(r.at.Partition), kafka.LastOffsetOf(r.at.Partition)},
	}})
	if err != nil {
		return 0, 0, r.m.client.explain(err)
	}
	for _, p := range res.Topics[r.at.Topic] {
		if p.Partition == r.at.Partition {
			return p.FirstOffset, p.LastOffset, r.m.client.explain(p.Error)
		}
	}
	return 0, 0, errors.New("the broker doesn't say which offsets the partition has")
}

// fetch returns messages from offset on, and the offset after the partition's
// last. It asks for an offset of its own choice, and never lets kafka-go choose
// another: its Reader goes to the start of the log without a word.
func (r *reader) fetch(ctx context.Context, offset int64) ([]kafka.Message, int64, error) {
	res, err := r.m.client.session().Fetch(ctx, &kafka.FetchRequest{
		Topic: r.at.Topic, Partition: r.at.Partition, Offset: offset, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: fetchWait,
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return nil, 0, r.m.client.explain(err)
	}
	var messages []kafka.Message
	for {
		rec, err := res.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return messages, res.HighWatermark, nil
		}
		if err != nil {
			return nil, 0, err
		}
		m := kafka.Message{Topic: r.at.Topic, Partition: r.at.Partition, Offset: rec.Offset, Time: rec.Time, Headers: rec.Headers}
		if m.Key, err = readAll(rec.Key); err != nil {
			return nil, 0, err
		}
		if m.Value, err = readAll(rec.Value); err != nil {
			return nil, 0, err
		}
		if m.Offset >= offset { // a batch comes whole
			messages = append(messages, m)
		}
	}
}

func readAll(b kafka.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	defer func() { _ = b.Close() }()
	return kafka.ReadAll(b)
}

// digest tells a message from another at the same offset of another topic of the
// same name.
func digest(m *kafka.Message) string {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, m.Time.UnixMilli()) // never fails
	h.Write(m.Key)
	h.Write(m.Value)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
