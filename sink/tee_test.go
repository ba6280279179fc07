package sink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sqlaudit/bun/sink"
	"github.com/sqlaudit/bun/sink/sinktest"
)

func TestTeeOfNoneIsDiscardAndOfOneIsThatOne(t *testing.T) {
	assert.Equal(t, sink.Discard{}, sink.Tee())
	rec := new(sinktest.Recorder)
	assert.Same(t, rec, sink.Tee(rec))
}

func TestTeeCallsEverySinkAndJoinsTheirErrors(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	rec := new(sinktest.Recorder)
	err := sink.Tee(sinktest.Failing(first), rec, sinktest.Failing(second)).Write(t.Context(), nil, []sink.Event{{Table: "a"}})
	require.ErrorIs(t, err, first)
	require.ErrorIs(t, err, second)
	assert.Len(t, rec.Events(), 1)
}

func TestTeeRefusesASinkThatIsNil(t *testing.T) {
	for _, none := range []sink.Sink{nil, (*sinktest.Recorder)(nil), sink.Func(nil)} {
		assert.PanicsWithValue(t, "sink: Tee was given 2 sinks, of which number 2 is nil: leave it out",
			func() { sink.Tee(sink.Discard{}, none) })
	}
}

func TestTeeIsNotChangedByItsArguments(t *testing.T) {
	rec := new(sinktest.Recorder)
	sinks := []sink.Sink{rec, sink.Discard{}}
	tee := sink.Tee(sinks...)
	sinks[0] = sink.Discard{}
	require.NoError(t, tee.Write(t.Context(), nil, []sink.Event{{Table: "a"}}))
	assert.Len(t, rec.Events(), 1)
}

// checked is a sink whose check fails with err.
type checked struct {
	sink.Discard
	err error
}

func (c checked) Check(context.Context, sink.Tx) error { return c.err }

func TestTeeChecksEverySinkThatCanBeChecked(t *testing.T) {
	missing := errors.New("no table")
	c, ok := sink.Tee(sink.Discard{}, checked{}, checked{err: missing}).(sink.Checker)
	require.True(t, ok)
	require.ErrorIs(t, c.Check(t.Context(), nil), missing)
	c, ok = sink.Tee(sink.Discard{}, checked{}).(sink.Checker)
	require.True(t, ok)
	require.NoError(t, c.Check(t.Context(), nil))
}

func TestActorIsZero(t *testing.T) {
	assert.True(t, sink.Actor{}.IsZero())
	assert.False(t, sink.Actor{OnBehalfOf: "7"}.IsZero())
}

// tabled is a sink whose events are rows of these tables.
type tabled struct {
	sink.Discard
	tables  []sink.Table
	commits *int
}

func (t tabled) EventTables() []sink.Table { return t.tables }

func (t tabled) Explain(err error) error {
	if len(t.tables) > 0 && strings.Contains(err.Error(), t.tables[0].Name) {
		return fmt.Errorf("sink of %s: %w", t.tables[0].Name, err)
	}
	return nil
}

func (t tabled) Committed(context.Context) { *t.commits++ }

func TestTeeHasTheTablesOfAllItsSinksOrNone(t *testing.T) {
	a, b := sink.Table{Name: "a"}, sink.Table{Schema: "s", Name: "b"}
	of := func(sinks ...sink.Sink) []sink.Table {
		s, ok := sink.Tee(sinks...).(sink.Tabled)
		require.True(t, ok)
		return s.EventTables()
	}
	assert.Equal(t, []sink.Table{a, b}, of(tabled{tables: []sink.Table{a}}, tabled{tables: []sink.Table{b}}))
	assert.Empty(t, of(tabled{tables: []sink.Table{a}}, tabled{}), "one needs its Write called")
	assert.Empty(t, of(tabled{tables: []sink.Table{a}}, sink.Discard{}))
}

func TestTeeTellsEverySinkThatListensOfACommit(t *testing.T) {
	first, second := 0, 0
	sink.Tee(tabled{commits: &first}, sink.Discard{}, tabled{commits: &second}).(sink.CommitListener).Committed(t.Context())
	assert.Equal(t, []int{1, 1}, []int{first, second})
}

func TestTeeAsksTheSinkThatAnErrorIsAboutToExplainIt(t *testing.T) {
	tee := sink.Tee(tabled{tables: []sink.Table{{Name: "outbox"}}}, sink.Discard{}, tabled{tables: []sink.Table{{Name: "events"}}}).(sink.Tabled)
	full := errors.New("no space left for events")
	err := tee.Explain(full)
	require.EqualError(t, err, "sink of events: no space left for events")
	require.ErrorIs(t, err, full)
	require.NoError(t, tee.Explain(errors.New("no such column")))
}
