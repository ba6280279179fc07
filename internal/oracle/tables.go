package oracle

import (
	"fmt"
	"math/rand/v2"
)

// tables are those of a world, some of which are made up; a program uses a few.
// Keys come from a dozen values, so that statements meet.
func tables(seed uint64, f flavour) []*table {
	all := []*table{ledgers(f), seats(f), labels(f), devices(f), memos(f), wares(f)}
	r := rand.New(rand.NewPCG(seed, 5))
	for n := range 4 {
		all = append(all, randomTable(r, n, f))
	}
	return all
}

func few(r *rand.Rand) int64 { return int64(1 + r.IntN(12)) }

func byID(r *rand.Rand) (string, []any) { return "id = ?", []any{few(r)} }

func rekeyID(r *rand.Rand) (string, []any) { return "id = ?", []any{few(r) + int64(20*r.IntN(2))} }

func ledgers(f flavour) *table {
	return of(table{
		sql: f, name: "ledgers", alias: "l", num: "n", text: "name", check: "CHECK (n >= -1000)",
		columns: cols("id int key, name text, code text, n int, small int, ratio float, rate real, flag bool, data bytes, " +
			"at time, maybe text, maybe_n int, doc json, origin text"),
		writable: []string{"name", "n", "ratio", "rate", "flag", "data", "at", "maybe", "maybe_n", "doc", "origin"},
		byKey:    byID, rekey: rekeyID, rekeyAll: "id = id + 100", conflict: "id", unique: "code",
		values: func(r *rand.Rand) map[string]any {
			return map[string]any{"name": text(r), "n": integer(r), "flag": chance(r, 50), "at": when(r)}
		},
		copy: func(r *rand.Rand) (string, string) {
			return "name, n, ratio, at, doc", fmt.Sprintf("%s, %d, ratio, at, doc", f.concat("name", "'+'"), r.IntN(9))
		},
	}, func(r *rand.Rand) ledger {
		l := ledger{Name: text(r), N: integer(r), Small: pick[int16](r, 0, 1, 32767, -32768), Ratio: float(r), Rate: float32s(r),
			Flag: chance(r, 50), Data: data(r), Maybe: maybe(r, text(r)), MaybeN: maybe(r, integer(r)), Doc: doc(r),
			Origin: pick(r, "", "here", "there")}
		if chance(r, 40) {
			l.ID = few(r)
		}
		if chance(r, 30) {
			l.Code = fmt.Sprint("c", r.IntN(6))
		}
		if chance(r, 60) {
			l.At = when(r)
		}
		return l
	})
}

func seats(f flavour) *table {
	order := f.quote("order")
	hall := func(r *rand.Rand) string { return pick(r, "A", "b'", `C"`) }
	return of(table{
		sql: f, name: "seats", num: "price", text: "state",
		columns:  cols(`hall text key, order int key, holder text, price numeric, state text, group int`),
		writable: []string{"holder", "price", "state", "group"},
		byKey:    func(r *rand.Rand) (string, []any) { return "hall = ? AND " + order + " = ?", []any{hall(r), r.IntN(4)} },
		rekey:    func(r *rand.Rand) (string, []any) { return "hall = ?, " + order + " = ?", []any{hall(r), r.IntN(5)} },
		rekeyAll: order + " = " + order + " + 10", conflict: "hall, " + order,
		values: func(r *rand.Rand) map[string]any {
			return map[string]any{"hall": hall(r), "order": r.IntN(4), "price": price(r)}
		},
		copy: func(r *rand.Rand) (string, string) {
			return "hall, " + order + ", price, state, " + f.quote("group"), fmt.Sprintf("hall, %s + %d, price, state, 1", order, 1+r.IntN(20))
		},
	}, func(r *rand.Rand) seat {
		return seat{Hall: hall(r), Order: r.IntN(4), Holder: maybe(r, text(r)), Price: price(r), State: word(r), Group: maybe(r, integer(r))}
	})
}

func labels(f flavour) *table {
	name := func(r *rand.Rand) string { return text(r) }
	return of(table{
		sql: f, name: "Labels", alias: "lb", num: "weight", text: "color",
		columns:  cols("name text key, color text, weight float, doc json, secret text redact, token text hash"),
		writable: []string{"color", "weight", "doc", "secret", "token"},
		byKey:    func(r *rand.Rand) (string, []any) { return "name = ?", []any{name(r)} },
		rekey:    func(r *rand.Rand) (string, []any) { return "name = ?", []any{name(r)} },
		rekeyAll: "name = " + f.concat("name", "'!'"), conflict: "name",
		values: func(r *rand.Rand) map[string]any {
			return map[string]any{"name": name(r), "color": word(r), "secret": word(r), "token": word(r)}
		},
		copy: func(r *rand.Rand) (string, string) {
			return "name, color, weight, doc, token", fmt.Sprintf("%s, color, weight, doc, token", f.concat("name", fmt.Sprintf("'%d'", r.IntN(9))))
		},
	}, func(r *rand.Rand) label {
		return label{Name: name(r), Color: word(r), Weight: float(r), Doc: object(r), Secret: word(r), Token: word(r)}
	})
}

func devices(f flavour) *table {
	return of(table{
		sql: f, name: "devices", num: "hits", text: "firmware",
		columns:  cols("id text key, serial text, hits int, seen time, firmware text -, photo bytes -"),
		writable: []string{"serial", "hits", "seen", "firmware", "photo"},
		byKey:    func(r *rand.Rand) (string, []any) { return "id = ?", []any{uuid(r)} },
		rekey:    func(r *rand.Rand) (string, []any) { return "id = ?", []any{uuid(r)} }, conflict: "id",
		values: func(r *rand.Rand) map[string]any {
			return map[string]any{"id": uuid(r), "serial": text(r), "hits": integer(r)}
		},
		copy: func(r *rand.Rand) (string, string) {
			return "id, serial, hits, seen", fmt.Sprintf("CASE WHEN 1 = 1 THEN '%s' ELSE id END, serial, 1, seen", uuid(r))
		},
	}, func(r *rand.Rand) device {
		return device{ID: uuid(r), Serial: text(r), Hits: integer(r), Seen: maybe(r, when(r)), Firmware: text(r), Photo: data(r)}
	})
}

func memos(f flavour) *table {
	return of(table{
		sql: f, name: "memos", alias: "m", num: "stars", text: "text", soft: "deleted_at",
		columns:  cols("id int key, text text, stars int -, deleted_at time -"),
		writable: []string{"text", "stars"},
		byKey:    byID, rekey: rekeyID, rekeyAll: "id = id + 100", conflict: "id",
		values: func(r *rand.Rand) map[string]any { return map[string]any{"text": text(r), "stars": 3} },
		copy: func(r *rand.Rand) (string, string) {
			return "text, stars, deleted_at", fmt.Sprintf("%s, stars, deleted_at", f.concat("text", fmt.Sprintf("'%d'", r.IntN(9))))
		},
	}, func(r *rand.Rand) memo {
		m := memo{Text: text(r), Stars: integer(r)}
		if chance(r, 40) {
			m.ID = few(r)
		}
		if chance(r, 10) {
			m.DeletedAt = when(r)
		}
		return m
	})
}

func wares(f flavour) *table {
	return of(table{
		sql: f, name: "odd wares", alias: "w", num: "stock", text: "name", soft: "deleted_at",
		columns:  cols("id int key, name text, slug text, stock int, listed bool, deleted_at time"),
		writable: []string{"name", "slug", "stock", "listed"},
		byKey:    byID, rekey: rekeyID, rekeyAll: "id = id + 100", conflict: "id",
		values: func(r *rand.Rand) map[string]any {
			return map[string]any{"id": few(r), "name": text(r), "stock": integer(r), "listed": false}
		},
		copy: func(r *rand.Rand) (string, string) {
			return "id, name, stock, deleted_at", fmt.Sprintf("id + %d, name, stock, deleted_at", 1+r.IntN(30))
		},
	}, func(r *rand.Rand) ware {
		return ware{ID: few(r), Name: text(r), Slug: word(r), Stock: integer(r), Listed: chance(r, 50)}
	})
}
