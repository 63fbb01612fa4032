"""Judgements may be changed in one way: an answer is erased, when its author asks for it.

The answer becomes a withdrawal and its duration is forgotten; everything else about it stays. Until now the triggers of
the first revision refused every change.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KEPT = ("number", "id", "question_id", "annotator_id", "created", "supersedes")


def upgrade() -> None:
    """Go to revision 0004."""
    if op.get_bind().dialect.name == "postgresql":
        same = " AND ".join(f"NEW.{name} IS NOT DISTINCT FROM OLD.{name}" for name in _KEPT)
        op.execute("DROP TRIGGER judgements_append_only ON judgements")
        op.execute(
            "CREATE OR REPLACE FUNCTION heedful_refuse_unless_erased() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.answer::jsonb = '{\"withdrawn\": true}'::jsonb AND NEW.duration_s IS NULL AND "
            f"NEW.shown::text = OLD.shown::text AND {same} THEN RETURN NEW; END IF; "
            "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
        op.execute(
            "CREATE TRIGGER judgements_append_only BEFORE DELETE OR TRUNCATE ON judgements "
            "FOR EACH STATEMENT EXECUTE FUNCTION heedful_refuse_change()"
        )
        op.execute(
            "CREATE TRIGGER judgements_only_erased BEFORE UPDATE ON judgements "
            "FOR EACH ROW EXECUTE FUNCTION heedful_refuse_unless_erased()"
        )
        return
    same = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in (*_KEPT, "shown"))
    erased = f"NEW.answer = '{{\"withdrawn\": true}}' AND NEW.duration_s IS NULL AND {same}"
    op.execute("DROP TRIGGER judgements_no_update")
    op.execute(
        f"CREATE TRIGGER judgements_no_update BEFORE UPDATE ON judgements WHEN NOT ({erased}) "
        "BEGIN SELECT RAISE(ABORT, 'judgements is append-only'); END"
    )


def downgrade() -> None:
    """Go back to revision 0003."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER judgements_only_erased ON judgements")
        op.execute("DROP FUNCTION heedful_refuse_unless_erased()")
        op.execute("DROP TRIGGER judgements_append_only ON judgements")
        op.execute(
            "CREATE TRIGGER judgements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON judgements "
            "FOR EACH STATEMENT EXECUTE FUNCTION heedful_refuse_change()"
        )
        return
    op.execute("DROP TRIGGER judgements_no_update")
    op.execute(
        "CREATE TRIGGER judgements_no_update BEFORE UPDATE ON judgements "
        "BEGIN SELECT RAISE(ABORT, 'judgements is append-only'); END"
    )
