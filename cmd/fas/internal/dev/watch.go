package dev

import (
	"context"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/faaspot/faaspot/cmd/fas/internal/project"
)

const (
	// settle is how long files must have been left alone after a change before it counts: editors save a
	// file in several steps.
	settle = 50 * time.Millisecond
	// latest is the longest time after a change until it counts, however many follow.
	latest = 500 * time.Millisecond
	// pollEvery is the interval at which files are looked at if the system does not report changes.
	pollEvery = 500 * time.Millisecond
	// maxWatched bounds the folders that are watched.
	maxWatched = 4000
)

// watch returns a channel that receives the time of the first of some changes of files below a folder, or
// in it if it is not deep, until ctx ends. A receiver that is slow gets one for all that it has missed.
func watch(ctx context.Context, root string, deep bool) <-chan time.Time {
	changes := make(chan time.Time, 1)
	w, err := fsnotify.NewWatcher()
	if err == nil {
		if err = addFolders(w, root, deep); err != nil {
			_ = w.Close() // it has not been used
		}
	}
	if err != nil { // such as too many watches of the user
		go poll(ctx, changes)
		return changes
	}
	go func() {
		follow(ctx, w, deep, changes)
		_ = w.Close() // nothing is lost
	}()
	return changes
}

// addFolders watches a folder, and those below it if deep.
func addFolders(w *fsnotify.Watcher, root string, deep bool) error {
	if !deep {
		return w.Add(root)
	}
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || !e.IsDir():
			return nil
		case path != root && project.Unwatched(e.Name()):
			return fs.SkipDir
		case len(w.WatchList()) >= maxWatched:
			return fs.SkipAll
		}
		return w.Add(path)
	})
}

// follow passes changes on until ctx ends.
func follow(ctx context.Context, w *fsnotify.Watcher, deep bool, changes chan<- time.Time) {
	var first time.Time // of the changes that have not been passed on
	timer := time.NewTimer(0)
	<-timer.C
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if e.Op == fsnotify.Chmod {
				continue
			}
			if deep && e.Has(fsnotify.Create) && !project.Unwatched(filepath.Base(e.Name)) {
				_ = addFolders(w, e.Name, deep) // it may be a file, or gone again
			}
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(settle, max(0, latest-time.Since(first))))
		case _, ok := <-w.Errors: // such as an overflow: look at everything
			if !ok {
				return
			}
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(settle)
		case <-timer.C:
			pass(changes, first)
			first = time.Time{}
		}
	}
}

// poll passes a change on at intervals: the receiver finds out whether there is one.
func poll(ctx context.Context, changes chan<- time.Time) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			pass(changes, now)
		}
	}
}

// pass sends a change unless one is waiting.
func pass(changes chan<- time.Time, at time.Time) {
	select {
	case changes <- at:
	default:
	}
}
