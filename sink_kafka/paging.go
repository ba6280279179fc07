package kafkasink

import "iter"

// inPages iterates over rows in the order of their numbers, in small pages. read
// returns those after a number, up to so many. It ends with the first error.
func inPages[T any](read func(after int64, most int) ([]T, error), seq func(*T) int64) iter.Seq2[*T, error] {
	const pageSize = 100
	return func(yield func(*T, error) bool) {
		for after := int64(0); ; {
			rows, err := read(after, pageSize)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range rows {
				after = seq(&rows[i])
				if !yield(&rows[i], nil) {
					return
				}
			}
			if len(rows) < pageSize {
				return
			}
		}
	}
}
