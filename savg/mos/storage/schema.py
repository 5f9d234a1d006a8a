"""The current tables of listening tests (`migrations` makes them).

Times are seconds since 1970 UTC; JSON is stored as text. Tokens are stored as SHA-256 only. Ratings,
answers to questions, screening answers and exclusions are append-only, enforced by the database.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", Double, nullable=False),
)

study = Table(
    "study",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("status", String(10), nullable=False),
    Column("design", Text, nullable=False),
    Column("levels", Text, nullable=False),
    Column("software", String(40), nullable=False),
    Column("created_at", Double, nullable=False),
)

stimulus = Table(
    "stimulus",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("study_id", String(40), ForeignKey("study.id"), nullable=False, index=True),
    Column("condition", String(40), nullable=False),
    Column("clip", Text, nullable=False),
    Column("scene", Text, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("seconds", Double, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("expected", Integer),
)

sound = Table(
    "sound",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("study_id", String(40), ForeignKey("study.id"), nullable=False, index=True),
    Column("stage", String(12), nullable=False),
    Column("answer", String(12), nullable=False),
)

participant = Table(
    "participant",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", String(40), ForeignKey("study.id"), nullable=False),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("code", String(16), nullable=False),
    Column("seed", Integer, nullable=False),
    Column("status", String(12), nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("device", Text, nullable=False),
    Column("completion", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("consented_at", Double),
    Column("assigned_at", Double),
    Column("finished_at", Double),
    UniqueConstraint("study_id", "code"),
)

screening = Table(
    "screening",
    metadata,
    Column("participant_id", Integer, ForeignKey("participant.id"), primary_key=True),
    Column("stage", String(12), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("sound_id", String(40), ForeignKey("sound.id"), nullable=False),
    Column("answer", String(12), nullable=False),
    Column("correct", Boolean, nullable=False),
    Column("answered_at", Double, nullable=False),
)

assignment = Table(
    "assignment",
    metadata,
    Column("participant_id", Integer, ForeignKey("participant.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("role", String(10), nullable=False),
    Column("stimulus_id", String(40), ForeignKey("stimulus.id"), nullable=False, index=True),
    Column("repeat_of", Integer),
    Column("served_at", Double),
)

rating = Table(
    "rating",
    metadata,
    Column("participant_id", Integer, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("score", Integer, nullable=False),
    Column("plays", Integer, nullable=False),
    Column("seconds_played", Double, nullable=False),
    Column("response_seconds", Double, nullable=False),
    Column("rated_at", Double, nullable=False),
    ForeignKeyConstraint(
        ["participant_id", "position"], ["assignment.participant_id", "assignment.position"]
    ),
)

answer = Table(
    "answer",
    metadata,
    Column("participant_id", Integer, ForeignKey("participant.id"), primary_key=True),
    Column("question", String(40), primary_key=True),
    Column("text", Text, nullable=False),
    Column("answered_at", Double, nullable=False),
)

exclusion = Table(
    "exclusion",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("participant_id", Integer, ForeignKey("participant.id"), nullable=False, index=True),
    Column("excluded", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", String(80), nullable=False),
    Column("decided_at", Double, nullable=False),
)

analysis = Table(
    "analysis",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", String(40), ForeignKey("study.id"), nullable=False, index=True),
    Column("software", String(40), nullable=False),
    Column("data_sha256", String(64), nullable=False),
    Column("settings", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("run_at", Double, nullable=False),
)

APPEND_ONLY = (rating, answer, screening, exclusion)
"""Tables whose rows are never changed or removed."""
