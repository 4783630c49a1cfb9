-- A database that crashed may be back within less than a second, and must still know which calls are under way.
alter table permit set logged;
