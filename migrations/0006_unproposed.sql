-- Trials that a search has yet to propose. Without it, a search that was stopped between two batches looks complete.
ALTER TABLE experiments ADD COLUMN unproposed INTEGER NOT NULL DEFAULT 0;
