package bunaudit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whether MariaDB reads the rows of an UPDATE with an incomplete ORDER BY in
// another order than it updates them depends on its plan: the random programs of
// internal/oracle come across it now and then.
func TestRowsThatLeaveAKeyComeBeforeThoseThatTakeIt(t *testing.T) {
	ids := func(keys ...string) (ids []identity) {
		for _, key := range keys {
			ids = append(ids, identity{"'hall'", key})
		}
		return ids
	}
	for _, tt := range []struct {
		olds, news []identity
		want       []int
	}{
		{nil, nil, []int{}},
		{ids("1", "2", "3"), ids("1", "2", "3"), []int{0, 1, 2}},
		{ids("3", "2", "1"), ids("4", "3", "2"), []int{0, 1, 2}},
		{ids("1", "2", "3"), ids("2", "3", "4"), []int{2, 1, 0}},
		{ids("9", "1", "2", "8"), ids("9", "2", "7", "1"), []int{0, 2, 1, 3}},
		{ids("1", "2"), ids("2", "1"), []int{1, 0}}, // a swap, which no database does
	} {
		require.Equal(t, tt.want, leavingFirst(tt.olds, tt.news), tt)
	}
}
