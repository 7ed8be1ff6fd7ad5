package plimsoll

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Days{"1d": 1, "14d": 14, "3650d": 3650} {
		var d Days
		if err := d.UnmarshalText([]byte(text)); err != nil || d != want || d.String() != text {
			t.Errorf("%s: %d, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "d", "14", "0d", "-1d", "3651d", "1.5d", "14 d", "2w", "99999999999999999999d"} {
		if err := new(Days).UnmarshalText([]byte(text)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v, want invalid", text, err)
		}
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	in := Deadline{Critical: 14, NotRated: 3, From: FromKEVAdded}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"critical":"14d","not_rated":"3d","from":"kev_added"}` {
		t.Errorf("%s, %v", b, err)
	}
	var out Deadline
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("%+v, %v; want %+v", out, err, in)
	}
	if in.Of(SeverityCritical) != 14 || in.Of(SeverityHigh) != 0 || in.Of(SeverityNone) != 0 || in.Of(SeverityNotRated) != 3 {
		t.Error("days by severity")
	}
	var none *Deadline
	if none.Of(SeverityCritical) != 0 || none.Start() != FromFirstDetected || (&Deadline{}).Start() != FromFirstDetected {
		t.Error("no deadline")
	}
}
