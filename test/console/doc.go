// Package console tests the console in Chromium, against server processes: a story for each page. No page
// may violate its content security policy, send a request elsewhere, run what users or functions wrote, or
// have a label or a contrast that axe-core finds wrong, in both themes and at 375 pixels.
//
// The tests need Chromium, and axe-core from the packages of the console (`make console-check` installs
// them). They are skipped without them, except in CI. With -screens they write the pictures of the documents.
package console
