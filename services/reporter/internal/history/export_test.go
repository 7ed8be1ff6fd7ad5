package history

// Doubt makes a tracker look at everything again with its next view, as it does after a start.
func (t *Tracker) Doubt() {
	t.seen = nil
	for _, r := range t.repos {
		r.seats = nil
	}
}

// HeadKey is the object that is written last.
const HeadKey = headKey
